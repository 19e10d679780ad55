import * as tf from "@tensorflow/tfjs-core";

import type { Face } from "../geometry/types";
import type { Classifier } from "../vision/classifier";
import type { Detector } from "../vision/detector";
import { Tracker } from "../vision/tracker";
import { PixelReader } from "./pixel-reader";
import type { Look, Reading, Sight } from "./protocol";

/** Turns a bitmap into readings: pixels, faces, their numbers, their probabilities. */
export class Looker {
  readonly #reader = new PixelReader();
  readonly #tracker = new Tracker();

  constructor(
    private readonly detector: Detector,
    private readonly classifier: Classifier,
  ) {}

  look({ id, bitmap, mode, fresh }: Look): Sight {
    const start = performance.now();
    const { width, height } = bitmap;
    if (fresh) this.#tracker.reset();
    const { pixels, scale } = this.#reader.read(bitmap, mode);
    const near = this.#tracker.near;
    let searched = this.#tracker.search;
    let seen = this.detector.find(pixels, searched, near);
    if (!searched && seen.length < near.length) {
      // Somebody moved too far to be followed. Searching this same frame keeps the face from vanishing for one frame.
      searched = true;
      seen = this.detector.find(pixels, searched, near);
    }
    const found = this.#tracker.update(seen, searched);
    const probabilities = this.classifier.classify(pixels, found);
    const faces = found.map((face, index): Reading => ({
      ...enlarged(face, scale),
      track: face.track,
      probabilities: probabilities[index]!,
    }));
    const { numTensors } = tf.memory();
    return { kind: "sight", id, width, height, faces, tensors: numTensors, milliseconds: performance.now() - start, searched };
  }
}

function enlarged({ box, score, landmarks }: Face, scale: number): Face {
  const [x1, y1, x2, y2] = box;
  if (!landmarks) return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks };
  const [a, b, c, d, e] = landmarks.map(([x, y]) => [x * scale, y * scale] as const);
  return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks: [a!, b!, c!, d!, e!] };
}
