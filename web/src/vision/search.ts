import type { Cascade } from "../contract";
import { portions, type Strip } from "./pyramid";

/** A search is spread over so many frames while somebody is followed, so that no frame takes much longer than others. */
const FRAMES = 12;
/** With nobody in sight there is nothing else to do, and a search takes so many frames. */
const FRAMES_ALONE = 2;
/** How long after one search the next begins while nobody was lost, in milliseconds. */
const PAUSE = 1000;

/** Spreads searches of the whole picture over the frames of a moving one. */
export class Search {
  #portions: readonly (readonly Strip[])[] = [];
  #size = "";
  /** The portion that is next; at the end, none. */
  #next = 0;
  #due = -Infinity;

  /**
   * The strips to search in a frame.
   *
   * @param time When it was taken, in milliseconds.
   * @param followed How many faces are followed into it.
   * @param lost Whether a face was lost in the frame before, so that the search begins at once.
   */
  next(height: number, width: number, settings: Pick<Cascade, "min_face" | "factor">, time: number, followed: number, lost: boolean): readonly Strip[] {
    const size = `${height} × ${width}`;
    if (size !== this.#size) {
      this.#size = size;
      this.#portions = portions(height, width, settings, FRAMES);
      this.#next = 0;
    } else if (this.#next >= this.#portions.length && (followed === 0 || lost || time >= this.#due)) {
      this.#next = 0;
    }
    const from = this.#next;
    if (from >= this.#portions.length) return [];
    this.#next += followed > 0 ? 1 : Math.ceil(this.#portions.length / FRAMES_ALONE);
    if (this.#next >= this.#portions.length) this.#due = time + PAUSE;
    return this.#portions.slice(from, this.#next).flat();
  }

  /** Begin anew, when the source changes. */
  reset(): void {
    this.#next = 0;
  }
}
