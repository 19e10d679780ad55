import type { Contract } from "../contract";
import type { Grid } from "../geometry/align";
import { type Net, output } from "./net";

/** The number of faces for one call of the net. */
const PORTION = 64;

/** Gives crops of faces, as its contract wants them, their probabilities. */
export class Classifier {
  /** The grid that faces are cropped onto. */
  readonly grid: Grid;
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
    this.grid = { height, width, color, crop };
    this.#channels = channels;
    this.#net = net;
  }

  /** @returns For each crop its probabilities in the order of the contract's labels, 0–1. */
  classify(crops: readonly Float32Array[]): number[][] {
    const answers: number[][] = [];
    for (let start = 0; start < crops.length; start += PORTION) {
      answers.push(...this.#classify(crops.slice(start, start + PORTION)));
    }
    return answers;
  }

  #classify(crops: readonly Float32Array[]): number[][] {
    const { height, width } = this.grid;
    const size = height * width * this.#channels;
    const batch = new Float32Array(crops.length * size);
    crops.forEach((crop, index) => batch.set(crop, index * size));
    const { data } = output(this.#net(batch, [crops.length, height, width, this.#channels]), "probabilities");
    const classes = data.length / crops.length;
    return crops.map((_, index) => Array.from(data.subarray(index * classes, (index + 1) * classes)));
  }
}
