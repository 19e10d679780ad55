import type { PublicFace } from "./state";

/** The weight of the newest frame's probabilities; the rest is the average so far. */
const WEIGHT = 0.35;

/** Smooths the bars of a moving picture. It changes only the display: `window.fer` has each frame's own values. */
export class Smoothing {
  #before = new Map<number, Readonly<Record<string, number>>>();

  /** The faces, their probabilities averaged over the last frames of the same track; no two sources share tracks. */
  apply(faces: readonly PublicFace[]): PublicFace[] {
    const smooth = faces.map((face) => {
      const before = this.#before.get(face.track) ?? face.probabilities;
      const entries = Object.entries(face.probabilities).map(([label, value]) => [label, mix(before[label] ?? value, value)] as const);
      const [label] = entries.reduce((best, next) => (next[1] > best[1] ? next : best));
      return { ...face, label, probabilities: Object.fromEntries(entries) };
    });
    this.#before = new Map(smooth.map(({ track, probabilities }) => [track, probabilities]));
    return smooth;
  }
}

function mix(before: number, now: number): number {
  return before + WEIGHT * (now - before);
}
