import type { PublicFace } from "../state";

/** What is kept of a person at one moment; `time` is the source's, in milliseconds. */
export interface Sample {
  readonly time: number;
  readonly shown: string;
  readonly certain: boolean;
  /** Whether the person's resting face is taken off the probabilities. */
  readonly rested: boolean;
  /** By label, 0–1, averaged as it is shown. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** How long samples are kept, in milliseconds. */
export const KEPT = 180_000;
/** Samples of one person are at least so far apart, in milliseconds: what is shown is an average over longer. */
const STEP = 200;

/** Keeps, in memory alone, what was shown of each person over the last minutes of one source. */
export class Recorder {
  readonly #people = new Map<number, Sample[]>();
  #now = -Infinity;

  /** The time of the last frame; −∞ before the first. */
  get now(): number {
    return this.#now;
  }

  /** The people, by number, with their samples, the oldest first. */
  get people(): ReadonlyMap<number, readonly Sample[]> {
    return this.#people;
  }

  /** Take in what a frame showed. Where its time is before the last one's, as after a jump back in a film, all is begun anew. */
  add(faces: readonly Pick<PublicFace, "track" | Exclude<keyof Sample, "time">>[], time: number): void {
    if (time < this.#now) this.clear();
    this.#now = time;
    for (const { track, shown, certain, rested, probabilities } of faces) {
      const samples = this.#people.get(track) ?? [];
      if (time - (samples.at(-1)?.time ?? -Infinity) >= STEP) samples.push({ time, shown, certain, rested, probabilities });
      this.#people.set(track, samples);
    }
    for (const [track, samples] of this.#people) {
      while (samples.length > 0 && samples[0]!.time < time - KEPT) samples.shift();
      if (samples.length === 0) this.#people.delete(track);
    }
  }

  /** The sample of a person that stood at a time; null where there is none within half a second before it. */
  at(track: number, time: number): Sample | null {
    const found = this.#people.get(track)?.filter((sample) => sample.time <= time).at(-1);
    return found && time - found.time <= 500 ? found : null;
  }

  /** Forget everything. */
  clear(): void {
    this.#people.clear();
    this.#now = -Infinity;
  }
}
