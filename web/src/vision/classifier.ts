import type { Contract } from "../contract";
import { cropFace, type Grid } from "../geometry/align";
import type { Face, Pixels } from "../geometry/types";
import { type Net, output } from "./net";

/** The number of faces for one call of the net. */
const PORTION = 64;

/** Crops faces as the contract says and gives each its probabilities. */
export class Classifier {
  readonly #grid: Grid;
  readonly #channels: number;
  readonly #net: Net;

  /** @throws Error The contract leaves open how faces get onto the input grid, or asks for an unknown rule. */
  constructor({ crop, inputs: [input, ...more], labels, outputs }: Contract, net: Net) {
    if (labels.length === 0 || !outputs.some(({ name }) => name === "probabilities")) {
      throw new Error("the classifier's contract has no labels with probabilities");
    }
    if (more.length > 0) throw new Error("the classifier takes more inputs than the one picture that this page has for it");
    if (!crop || input?.kind !== "picture" || input.height === null || input.width === null) {
      throw new Error("the classifier's contract says nothing about cropping faces");
    }
    const { height, width, color, channels } = input;
    if (crop.sampling !== "area-bilinear/1") throw new Error(`this page does not know the sampling rule ${crop.sampling}`);
    this.#grid = { height, width, color, crop };
    this.#channels = channels;
    this.#net = net;
  }

  /** @returns For each face its probabilities in the order of the contract's labels, 0–1. */
  classify(pixels: Pixels, faces: readonly Face[]): number[][] {
    const answers: number[][] = [];
    for (let start = 0; start < faces.length; start += PORTION) {
      answers.push(...this.#classify(pixels, faces.slice(start, start + PORTION)));
    }
    return answers;
  }

  #classify(pixels: Pixels, faces: readonly Face[]): number[][] {
    const { height, width } = this.#grid;
    const size = height * width * this.#channels;
    const batch = new Float32Array(faces.length * size);
    faces.forEach((face, index) => batch.set(cropFace(pixels, face, this.#grid), index * size));
    const { data } = output(this.#net(batch, [faces.length, height, width, this.#channels]), "probabilities");
    const classes = data.length / faces.length;
    return faces.map((_, index) => Array.from(data.subarray(index * classes, (index + 1) * classes)));
  }
}
