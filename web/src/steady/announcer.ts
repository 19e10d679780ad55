/** The least time between two announcements, in milliseconds, so that a screen reader can finish a sentence. */
export const GAP = 3000;

/** Says texts one after the other, at most one in `GAP`; a text that is out of date by then is never said. */
export class Announcer {
  #said = "";
  #last = -Infinity;
  #wanted = "";
  #due = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param say What says a text, for example by putting it into a live region. */
  constructor(private readonly say: (text: string) => void) {}

  /**
   * Ask for a text to be said.
   *
   * @param settle For how long nothing else may be asked for before it is said, in milliseconds.
   */
  announce(text: string, settle = 0): void {
    if (text !== this.#wanted) {
      this.#wanted = text;
      this.#due = performance.now() + settle;
    }
    this.#try();
  }

  #try(): void {
    clearTimeout(this.#timer);
    if (this.#wanted === this.#said) return;
    const wait = Math.max(this.#due, this.#last + GAP) - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#try(), wait);
      return;
    }
    this.#said = this.#wanted;
    this.#last = performance.now();
    this.say(this.#said);
  }
}
