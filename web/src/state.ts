import type { Landmarks } from "./geometry/types";
import type { Doubt } from "./steady/doubt";
import { top } from "./steady/word";
import type { Light } from "./vision/light";
import type { BackendName, Reading, SelfTest } from "./worker/protocol";

/** One face as other scripts see it; coordinates are in pixels of the picture, not mirrored. */
export interface PublicFace {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly landmarks: Landmarks | null;
  /** The most probable class in this picture alone. */
  readonly label: string;
  /** By label, 0–1, in this picture alone. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly score: number;
  /** The person's number, from 1 with each source. */
  readonly track: number;
  /** The word that is shown of this face: a label where it is certain, "unsure", or the reason for which it is not read. */
  readonly shown: string;
  /** Whether `shown` is a label. */
  readonly certain: boolean;
  /** Why it is not certain: no class is confident enough ("undecided"), or the face is not read; null where it is. */
  readonly reason: Reason | null;
  /** Whether `shown` is what is left when the person's resting face is taken off. */
  readonly rested: boolean;
}

/** Why a face has no label shown. */
export type Reason = Doubt | "undecided";

/** The contents of `window.fer`, all of it read-only. */
export interface Fer {
  /** The models are loaded and pictures can be looked at. */
  readonly ready: boolean;
  readonly backend: BackendName | null;
  /** Pictures looked at per second, of the camera, over the last second or so. */
  readonly fps: number;
  /** The golden pictures, replayed on this backend. */
  readonly parity: SelfTest | null;
  readonly faces: readonly PublicFace[];
  /** What is wrong with the light of a picture in which there is no face; null where nothing is. */
  readonly light: Light | null;
  /** Pictures looked at since the page was opened. */
  readonly frames: number;
  /** Pictures looked at in which there was a face. */
  readonly framesWithFaces: number;
  /** Live tensors in the worker. */
  readonly tensors: number;
  readonly source: "none" | "camera" | "picture" | "video";
  /** Size of the picture that `faces` refers to. */
  readonly size: { readonly width: number; readonly height: number };
  readonly error: string | null;
}

export type State = { -readonly [Key in keyof Fer]: Fer[Key] };

/** No faces. */
export const NOBODY: readonly PublicFace[] = Object.freeze([]);

/** The state at the start. */
export function initial(): State {
  return {
    ready: false,
    backend: null,
    fps: 0,
    parity: null,
    faces: NOBODY,
    light: null,
    frames: 0,
    framesWithFaces: 0,
    tensors: 0,
    source: "none",
    size: Object.freeze({ width: 0, height: 0 }),
    error: null,
  };
}

/** Put a frozen view of the state on the window as `fer`; it follows the state and cannot change it. */
export function publish(state: State): void {
  const view = Object.create(null) as Fer;
  for (const key of Object.keys(state) as (keyof State)[]) {
    Object.defineProperty(view, key, { enumerable: true, get: () => state[key] });
  }
  Object.defineProperty(window, "fer", { value: Object.freeze(view), enumerable: true });
}

/** Freeze a value that came from the worker, with everything inside it. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/** What is shown of a face; see `PublicFace`. */
export type Verdict = Pick<PublicFace, "shown" | "certain" | "reason" | "rested">;

/** A reading's probabilities by label. */
export function byLabel({ probabilities }: Reading, labels: readonly string[]): Readonly<Record<string, number>> {
  return Object.freeze(Object.fromEntries(labels.map((label, index) => [label, probabilities[index] ?? 0])));
}

/** A reading with its labels and the verdict on it, frozen with everything inside it. */
export function publicFace(
  { box: [x1, y1, x2, y2], landmarks, score, track }: Reading,
  probabilities: PublicFace["probabilities"],
  { shown, certain, reason, rested }: Verdict,
): PublicFace {
  const box = Object.freeze({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
  const [label] = top(probabilities);
  return Object.freeze({ box, landmarks: frozen(landmarks), label, probabilities, score, track, shown, certain, reason, rested });
}
