import { droppedFiles } from "./dropped";

/** The calls by which files that come in from outside are told. */
export interface Incoming {
  /** Files were dropped or pasted; the list is empty where something else was dropped. */
  files(files: readonly File[]): void;
  /** A folder was dropped that the browser does not let the page read. */
  unreadable(): void;
  /** Something is held over the page, or no longer. */
  hovering(on: boolean): void;
}

/** Listen for what is dropped anywhere on the page, or pasted: a browser would leave the page for a dropped file. */
export function listen({ files, unreadable, hovering }: Incoming): void {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
    hovering(true);
  });
  document.addEventListener("dragleave", (event) => {
    // Between two elements of the page the event names the next one.
    if (event.relatedTarget === null) hovering(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    hovering(false);
    droppedFiles(event.dataTransfer).then(files, unreadable);
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length > 0) files(pasted);
  });
}
