import { make } from "./dom";

/** For how long the address of a saved file stays, in milliseconds: the browser reads it after the click. */
const LASTING = 60_000;

/** Save a file to the person's downloads. */
export function save(content: Blob, name: string): void {
  const link = make("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), LASTING);
}

/** A name with date and time, without characters that a file system refuses. */
export function stamped(kind: string, ending: string): string {
  return `${kind}-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${ending}`;
}
