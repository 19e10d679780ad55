/**
 * Over how long a person's probabilities are averaged, in milliseconds: a smile lasts longer, and what one frame's noise
 * does (a standard deviation of 0.1 for an undecided face in the hand) is a third of that afterwards.
 */
export const OVER = 400;
/** A frame counts at most this much, however long the one before is ago: no single frame has a majority. */
const MOST = 0.5;

/** Averages a person's values, which have names, over time: the same for many frames a second as for few. */
export class Smoothing<Name extends string> {
  #values: Readonly<Record<Name, number>> | null = null;
  #time = 0;

  /**
   * Take in a frame's values.
   *
   * @param time When it was taken, in milliseconds.
   * @returns The average; of the first frame its own values.
   */
  add(values: Readonly<Record<Name, number>>, time: number): Readonly<Record<Name, number>> {
    const before = this.#values ?? values;
    const weight = Math.min(MOST, 1 - Math.exp(-Math.max(0, time - this.#time) / OVER));
    const mixed: Record<Name, number> = { ...values };
    for (const name of Object.keys(values) as Name[]) mixed[name] = before[name] + weight * (values[name] - before[name]);
    this.#values = mixed;
    this.#time = time;
    return mixed;
  }
}
