import type { Frame } from "./frame";
import type { Stages } from "./protocol";

/** Times the stages of one picture. Pixels that a later stage asks for count as reading pixels all the same. */
export class Stopwatch {
  readonly #start = performance.now();
  readonly #stages = { pixels: 0, faces: 0, people: 0, expressions: 0 };
  #since = this.#start;
  #reading = 0;

  /** End a stage: what passed since the one before belongs to it, but for what `frame` spent on reading. */
  lap(stage: keyof Stages, frame: Frame): void {
    const now = performance.now();
    const reading = frame.milliseconds - this.#reading;
    this.#stages.pixels += reading;
    this.#stages[stage] += now - this.#since - reading;
    this.#since = now;
    this.#reading = frame.milliseconds;
  }

  /** All that passed up to the last lap, and what of it went where. */
  get times(): { milliseconds: number; stages: Stages } {
    return { milliseconds: this.#since - this.#start, stages: this.#stages };
  }
}
