import type { Landmarks } from "./geometry/types";
import type { BackendName, Reading, SelfTest } from "./worker/protocol";

/** One face as other scripts see it; coordinates are in pixels of the picture, not mirrored. */
export interface PublicFace {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly landmarks: Landmarks | null;
  readonly label: string;
  /** By label, 0–1. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly score: number;
  readonly track: number;
}

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
  /** Pictures looked at since the page was opened. */
  readonly frames: number;
  /** Pictures looked at in which there was a face. */
  readonly framesWithFaces: number;
  /** Live tensors in the worker. */
  readonly tensors: number;
  readonly source: "none" | "camera" | "picture";
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

/** A reading with its labels, frozen with everything inside it. */
export function publicFace({ box: [x1, y1, x2, y2], landmarks, score, track, probabilities }: Reading, labels: readonly string[]): PublicFace {
  const byLabel = Object.freeze(Object.fromEntries(labels.map((label, index) => [label, probabilities[index] ?? 0])));
  const label = labels.reduce((best, next) => ((byLabel[next] ?? 0) > (byLabel[best] ?? 0) ? next : best), labels[0] ?? "");
  const box = Object.freeze({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
  return Object.freeze({ box, landmarks: frozen(landmarks), label, probabilities: byLabel, score, track });
}
