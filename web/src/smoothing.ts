import type { PublicFace } from "./state";

/** How much of the new answer is shown at once; the rest stays of the one before. */
const WEIGHT = 0.35;

/** Calms the bars of a moving picture. Only what is shown: `window.fer` has each frame's own answer. */
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
