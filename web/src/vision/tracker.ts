import { iou } from "../geometry/boxes";
import type { Box, Face } from "../geometry/types";

/** Boxes with a smaller intersection over union belong to two people. */
const SAME = 0.3;
/** For how many frames a face may be out of sight and keep its number. */
const PATIENCE = 10;
/** The whole picture is searched for new faces once in this many frames. */
const SEARCH_EVERY = 12;

export interface Tracked extends Face {
  /** The face's number, from 1, the same from frame to frame. */
  readonly track: number;
}

/** Gives faces their numbers and decides when the whole picture has to be searched. */
export class Tracker {
  #known: { track: number; box: Box; missed: number }[] = [];
  #next = 1;
  #untilSearch = 0;

  /** Whether the next frame has to be searched: at the start, every few frames, with no face or after losing one. */
  get search(): boolean {
    return this.#untilSearch <= 0;
  }

  /** Where faces were seen in the last frame. */
  get near(): Box[] {
    return this.#known.filter(({ missed }) => missed === 0).map(({ box }) => box);
  }

  /** Take in what a frame showed; the pairs that overlap most are matched first. */
  update(faces: readonly Face[], searched: boolean): Tracked[] {
    const before = this.near.length;
    const pairs = faces
      .flatMap((face, index) => this.#known.map((known) => ({ index, known, overlap: iou(face.box, known.box) })))
      .filter(({ overlap }) => overlap >= SAME)
      .sort((first, second) => second.overlap - first.overlap);
    const numbers = new Map<number, number>();
    const taken = new Set<number>();
    for (const { index, known } of pairs) {
      if (numbers.has(index) || taken.has(known.track)) continue;
      numbers.set(index, known.track);
      taken.add(known.track);
    }
    const tracked = faces.map((face, index) => ({ ...face, track: numbers.get(index) ?? this.#next++ }));
    const gone = this.#known.filter(({ track }) => !taken.has(track));
    this.#known = [
      ...tracked.map(({ track, box }) => ({ track, box, missed: 0 })),
      ...gone.map((known) => ({ ...known, missed: known.missed + 1 })).filter(({ missed }) => missed <= PATIENCE),
    ];
    this.#untilSearch = searched ? SEARCH_EVERY : this.#untilSearch - 1;
    if (faces.length === 0 || faces.length < before) this.#untilSearch = 0;
    return tracked;
  }

  /** Forget all faces when the source changes. */
  reset(): void {
    this.#known = [];
    this.#untilSearch = 0;
  }
}
