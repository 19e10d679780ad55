import { OVER } from "./smoothing";

/**
 * The share of confidence that a word needs to be shown. The net's confidence is calibrated: of its answers with 60–70 %
 * on FER+'s PublicTest 63 % are right, with 70–80 % 77 %, and with 50–60 % hardly more than half.
 */
const SURE = 2 / 3;
/** A word that is shown stays down to this confidence, so that one at the edge does not flicker. */
const KEPT = 1 / 2;
/** What the very first frame of a moving picture needs, since nothing was averaged yet; it falls to `SURE`. */
const SURE_AT_FIRST = 0.7;

/** Decides which word is shown of a person, with hysteresis: null is "unsure". */
export class Word {
  #shown: string | null = null;
  #since: number | null = null;

  /**
   * Take in the averaged probabilities of a moving picture.
   *
   * @param time When the frame was taken, in milliseconds.
   * @returns The word to show; null where no class is confident enough.
   */
  next(probabilities: Readonly<Record<string, number>>, time: number): string | null {
    this.#since ??= time;
    const needed = SURE + (SURE_AT_FIRST - SURE) * Math.exp((this.#since - time) / OVER);
    const [label, confidence] = top(probabilities);
    if (confidence >= needed) this.#shown = label;
    else if (this.#shown !== null && (probabilities[this.#shown] ?? 0) < KEPT) this.#shown = null;
    return this.#shown;
  }
}

/** The word for a single picture; null where no class is confident enough. */
export function wordFor(probabilities: Readonly<Record<string, number>>): string | null {
  const [label, confidence] = top(probabilities);
  return confidence >= SURE ? label : null;
}

/** The most probable class, among equals the first, and its probability. */
export function top(probabilities: Readonly<Record<string, number>>): readonly [label: string, probability: number] {
  return Object.entries(probabilities).reduce((best, next) => (next[1] > best[1] ? next : best), ["", -1]);
}
