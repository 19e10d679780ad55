/**
 * The hash of parsed JSON but for one field: SHA-256 of its canonical text, as fer_export/contract/canonical.py has it.
 *
 * @param field Holds the hash, and is not part of it.
 * @returns In hexadecimal; null where the browser computes none, as on a page that came over plain http.
 */
export async function contentHash(record: Readonly<Record<string, unknown>>, field: string): Promise<string | null> {
  // Typed as always there; browsers have it in secure contexts alone.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return null;
  const { [field]: _, ...covered } = record;
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(canonical(covered)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * JSON in canonical form, RFC 8785: keys sorted by UTF-16 code units, no white space, numbers and strings as
 * JavaScript writes them.
 */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([first], [second]) => (first < second ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(",")}}`;
}
