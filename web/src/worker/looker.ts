import * as tf from "@tensorflow/tfjs-core";

import type { Face } from "../geometry/types";
import { appearance } from "../vision/appearance";
import type { Classifier } from "../vision/classifier";
import type { Detector } from "../vision/detector";
import { lightOf } from "../vision/light";
import { quality } from "../vision/quality";
import { type Seen, Tracker } from "../vision/tracker";
import { PixelReader } from "./pixel-reader";
import type { Look, Reading, Sight } from "./protocol";

/** A face that was found, with the classifier's input for it. */
interface Cropped extends Seen {
  readonly crop: Float32Array;
}

/** Turns a bitmap into readings: pixels, faces, their numbers, their probabilities, and what their pictures are like. */
export class Looker {
  readonly #reader = new PixelReader();
  readonly #tracker = new Tracker();

  constructor(
    private readonly detector: Detector,
    private readonly classifier: Classifier,
  ) {}

  look({ id, bitmap, mode, fresh, time }: Look): Sight {
    const start = performance.now();
    const { width, height } = bitmap;
    if (fresh) this.#tracker.reset();
    const { pixels, scale } = this.#reader.read(bitmap, mode);
    const near = this.#tracker.near(time);
    let searched = this.#tracker.search;
    let found = this.detector.find(pixels, searched, near);
    if (!searched && found.length < near.length) {
      // Somebody moved too far to be followed. Searching this same frame keeps the face from vanishing for one frame.
      searched = true;
      found = this.detector.find(pixels, searched, near);
    }
    const { grid } = this.classifier;
    const seen = found.map((face): Cropped => {
      const crop = this.classifier.crop(pixels, face);
      return { face, crop, looks: appearance(crop, grid.height, grid.width) };
    });
    const tracked = this.#tracker.update(seen, searched, time, mode === "picture");
    const probabilities = this.classifier.classify(tracked.map(({ index }) => seen[index]!.crop));
    const faces = tracked.map(({ index, track }, place): Reading => {
      const { face, crop } = seen[index]!;
      return { ...enlarged(face, scale), track, probabilities: probabilities[place]!, quality: quality(face, crop, grid) };
    });
    return {
      kind: "sight",
      id,
      width,
      height,
      faces,
      waiting: this.#tracker.waiting,
      light: found.length === 0 ? lightOf(pixels) : null,
      tensors: tf.memory().numTensors,
      milliseconds: performance.now() - start,
      searched,
    };
  }
}

function enlarged({ box, score, landmarks }: Face, scale: number): Face {
  const [x1, y1, x2, y2] = box;
  if (!landmarks) return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks };
  const [a, b, c, d, e] = landmarks.map(([x, y]) => [x * scale, y * scale] as const);
  return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks: [a!, b!, c!, d!, e!] };
}
