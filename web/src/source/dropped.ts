/** A file or folder, as Chromium gives it: https://developer.mozilla.org/docs/Web/API/DataTransferItem/getAsFileSystemHandle. */
type Handle =
  | { readonly kind: "file"; getFile(): Promise<File> }
  | { readonly kind: "directory"; values(): AsyncIterable<Handle> };
type Item = DataTransferItem & { getAsFileSystemHandle?: () => Promise<Handle | null> };

/**
 * Return the files of a drop, those in dropped folders among them; folders inside folders are left aside.
 *
 * To be called while the event is handled: its list is emptied as soon as that is over.
 *
 * @throws Error The browser does not let the page read a dropped folder.
 */
export async function droppedFiles(data: DataTransfer | null): Promise<File[]> {
  const items: Item[] = [...(data?.items ?? [])].filter(({ kind }) => kind === "file");
  const plain = [...(data?.files ?? [])];
  const entries = items.map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  // Only handles work on pages from disk, and only entries outside Chromium.
  const handles = items.map((item) => item.getAsFileSystemHandle?.() ?? null);
  const found = handles.every((handle) => handle !== null)
    ? (await Promise.all(handles)).map((handle) => (handle ? filesOfHandle(handle) : []))
    : entries.map((entry) => (entry ? filesOfEntry(entry) : []));
  return (await Promise.all(found)).flat();
}

async function filesOfHandle(handle: Handle): Promise<File[]> {
  if (handle.kind === "file") return [await handle.getFile()];
  const found: File[] = [];
  for await (const each of handle.values()) if (each.kind === "file") found.push(await each.getFile());
  return found;
}

async function filesOfEntry(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await fileOf(entry)];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  // A folder comes in portions, and is over with the first empty one.
  for (;;) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return found;
    for (const each of portion) if (each.isFile) found.push(await fileOf(each));
  }
}

function fileOf(entry: FileSystemEntry): Promise<File> {
  return new Promise((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
}
