/**
 * Hash parsed JSON without one field: SHA-256 of its canonical text, as fer_export/contract/canonical.py computes it.
 *
 * @param field The field that holds the hash, and is not covered by it.
 * @returns The hash in hexadecimal; null where the browser cannot compute one, as on a page loaded over plain http.
 */
export async function contentHash(record: Readonly<Record<string, unknown>>, field: string): Promise<string | null> {
  // TypeScript's types say that it is always there; browsers have it in secure contexts only.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return null;
  const { [field]: _, ...covered } = record;
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(canonical(covered)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Write JSON in canonical form, RFC 8785: keys sorted by UTF-16 code units, no white space, numbers and strings as
 * JavaScript writes them.
 */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([first], [second]) => (first < second ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(",")}}`;
}
