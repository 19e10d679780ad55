import * as tf from "@tensorflow/tfjs-core";

import type { Face, Pixels } from "../geometry/types";
import type { Classifier } from "../vision/classifier";
import type { Detector } from "../vision/detector";
import type { Explainer } from "../vision/explainer";
import { FaceCrop } from "../vision/face-crop";
import { lightOf } from "../vision/light";
import { quality } from "../vision/quality";
import { Readings } from "../vision/readings";
import { Search } from "../vision/search";
import { type Tracked, Tracker } from "../vision/tracker";
import { PixelReader } from "./pixel-reader";
import type { Explain, Explanation, Look, Reading, Sight } from "./protocol";
import { Stopwatch } from "./stopwatch";

/** Turns a bitmap into readings: pixels, faces, their numbers, their probabilities, and what their pictures are like. */
export class Looker {
  readonly #reader = new PixelReader();
  readonly #tracker = new Tracker();
  readonly #search = new Search();
  readonly #readings = new Readings();

  constructor(
    private readonly detector: Detector,
    private readonly classifier: Classifier,
    private readonly explainer: Explainer,
  ) {}

  look({ id, bitmap, mode, fresh, still, time }: Look): Sight {
    const watch = new Stopwatch();
    const { width, height } = bitmap;
    if (fresh) this.#reset();
    const { pixels, scale } = this.#reader.read(bitmap, mode);
    watch.lap("pixels", pixels);
    const { found, searched } = fresh || still ? { found: this.detector.search(pixels), searched: true } : this.#follow(pixels, time);
    const light = found.length === 0 ? lightOf(pixels) : null;
    watch.lap("faces", pixels);
    const seen = found.map((face) => new FaceCrop(face, pixels, this.classifier.grid));
    const tracked = this.#tracker.update(seen, time, still);
    const due = this.#due(seen, tracked, time, still);
    watch.lap("people", pixels);
    this.#read(due, time);
    watch.lap("expressions", pixels);
    const faces = tracked.map(({ index, track }): Reading => ({ ...enlarged(found[index]!, scale), track, ...this.#readings.of(track) }));
    return {
      kind: "sight",
      id,
      width,
      height,
      faces,
      waiting: this.#tracker.waiting,
      light,
      tensors: tf.memory().numTensors,
      ...watch.times,
      searched,
    };
  }

  /**
   * Say from where in a face's last crop a class is read.
   *
   * @throws Error This face is out of sight, or there is no such class.
   */
  explain({ id, track, label }: Explain): Explanation {
    const crop = this.#readings.cropOf(track);
    if (!crop) throw new Error(`face ${track} is gone`);
    const { height, width, color } = this.classifier.grid;
    const heat = this.explainer.explain(crop, [1, height, width, crop.length / (height * width)], label);
    return { kind: "explanation", id, track, label, crop: { values: crop, height, width, color }, heat };
  }

  #reset(): void {
    this.#tracker.reset();
    this.#search.reset();
    this.#readings.only([]);
  }

  #follow(pixels: Pixels, time: number): { found: Face[]; searched: boolean } {
    const near = this.#tracker.near(time);
    const { height, width } = pixels;
    const strips = this.#search.next(height, width, this.detector.settings, time, near.length, this.#tracker.lost);
    return { found: this.detector.follow(pixels, near, strips), searched: strips.length > 0 };
  }

  /** The faces whose turn it is, cropped. */
  #due(seen: readonly FaceCrop[], tracked: readonly Tracked[], time: number, all: boolean): Due[] {
    const tracks = tracked.map(({ track }) => track);
    this.#readings.only([...tracks, ...this.#tracker.waiting]);
    return this.#readings.due(tracks, time, all).map((track) => {
      const { face, crop } = seen[tracked[tracks.indexOf(track)]!.index]!;
      return { track, face, crop };
    });
  }

  /** Classify faces. */
  #read(due: readonly Due[], time: number): void {
    this.classifier.classify(due.map(({ crop }) => crop)).forEach((probabilities, place) => {
      const { track, face, crop } = due[place]!;
      this.#readings.keep(track, { probabilities, quality: quality(face, crop, this.classifier.grid) }, time, crop);
    });
  }
}

/** A person whose face is to be read. */
interface Due {
  readonly track: number;
  readonly face: Face;
  readonly crop: Float32Array;
}

function enlarged({ box, score, landmarks }: Face, scale: number): Face {
  const [x1, y1, x2, y2] = box;
  if (!landmarks) return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks };
  const [a, b, c, d, e] = landmarks.map(([x, y]) => [x * scale, y * scale] as const);
  return { box: [x1 * scale, y1 * scale, x2 * scale, y2 * scale], score, landmarks: [a!, b!, c!, d!, e!] };
}
