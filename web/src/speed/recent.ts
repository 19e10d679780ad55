import type { Sight, Stages } from "../worker/protocol";

/** Over how long the mean is, in milliseconds. */
const SPAN = 3000;

/** What a picture took altogether, and each stage of it. */
export type Times = Pick<Sight, "milliseconds" | "stages">;

/** The mean times of the pictures of the last few seconds. */
export class Recent {
  #kept: { readonly at: number; readonly times: Times }[] = [];

  /** @param at When it was, in milliseconds. */
  add(times: Times, at: number): void {
    this.#kept = [...this.#kept.filter((one) => at - one.at < SPAN), { at, times }];
  }

  /** Forget all, since what comes next is of another kind. */
  clear(): void {
    this.#kept = [];
  }

  /** Null where there was no picture. */
  get mean(): Times | null {
    if (this.#kept.length === 0) return null;
    const mean = (of: (times: Times) => number): number => this.#kept.reduce((sum, { times }) => sum + of(times), 0) / this.#kept.length;
    const stage = (name: keyof Stages): number => mean(({ stages }) => stages[name]);
    return {
      milliseconds: mean(({ milliseconds }) => milliseconds),
      stages: { pixels: stage("pixels"), faces: stage("faces"), people: stage("people"), expressions: stage("expressions") },
    };
  }
}
