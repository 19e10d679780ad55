import type { Quality } from "./quality";

/** What was read in one face. */
export interface Read {
  readonly probabilities: readonly number[];
  readonly quality: Quality;
}

/** How old a person's reading may grow before the next one, in milliseconds: the average over time needs no more. */
const AGE = 120;
/** The share of the followed faces that are read in one frame, so that no frame reads all of them. */
const SHARE = 1 / 4;

interface Kept extends Read {
  readonly time: number;
  /** The net's input that it was read from. */
  readonly crop: Float32Array;
}

/** Remembers what was last read in each face, and chooses whom to read next. */
export class Readings {
  #kept = new Map<number, Kept>();

  /**
   * The people to read in a frame: everybody who was never read, and of the others those whose turn it is.
   *
   * @param tracks Everybody in the frame, by number.
   * @param time When it was taken, in milliseconds.
   * @param all Whether to read everybody, since the picture stands still.
   */
  due(tracks: readonly number[], time: number, all: boolean): number[] {
    const age = (track: number): number => time - (this.#kept.get(track)?.time ?? -Infinity);
    const fresh = tracks.filter((track) => all || !this.#kept.has(track));
    const old = tracks.filter((track) => !fresh.includes(track) && age(track) >= AGE).sort((a, b) => age(b) - age(a));
    return [...fresh, ...old.slice(0, Math.ceil(tracks.length * SHARE))];
  }

  /** Keep what was read, and the net's input that it was read from. */
  keep(track: number, read: Read, time: number, crop: Float32Array): void {
    this.#kept.set(track, { ...read, time, crop });
  }

  /** Forget all but these people. */
  only(tracks: readonly number[]): void {
    const known = new Set(tracks);
    for (const track of this.#kept.keys()) if (!known.has(track)) this.#kept.delete(track);
  }

  /** The net's input for a person's last reading; null where there was none, or the person is forgotten. */
  cropOf(track: number): Float32Array | null {
    return this.#kept.get(track)?.crop ?? null;
  }

  /** @throws Error This person was never read. */
  of(track: number): Read {
    const kept = this.#kept.get(track);
    if (!kept) throw new Error(`nothing was read of face ${track}`);
    return { probabilities: kept.probabilities, quality: kept.quality };
  }
}
