import type { Contract } from "../contract";
import { Areas } from "../geometry/areas";
import type { Box, Face, Pixels } from "../geometry/types";
import { findFaces, type Nets, type Settings } from "./cascade";
import { pyramid, type Strip } from "./pyramid";

/** The cascade with the settings of its contracts and memory that is reused. */
export class Detector {
  readonly settings: Settings;
  readonly #nets: Nets;
  readonly #areas = new Areas();

  /** @throws Error A contract lacks the cascade's settings or a size. */
  constructor(contracts: Readonly<Record<"pnet" | "rnet" | "onet", Contract>>, nets: Nets) {
    const { cascade } = contracts.pnet;
    const [rnetSize, onetSize] = [sizeOf(contracts.rnet), sizeOf(contracts.onet)];
    if (!cascade || rnetSize === null || onetSize === null) throw new Error("the detector's contracts are incomplete");
    this.settings = { ...cascade, rnetSize, onetSize };
    this.#nets = nets;
  }

  /** The faces in a whole picture, the largest first. */
  search(pixels: Pixels): Face[] {
    const strips = pyramid(pixels.height, pixels.width, this.settings);
    return findFaces(this.#areas.update(pixels), { strips, near: [] }, this.settings, this.#nets);
  }

  /** The faces near where they are expected, or not far from there, and those in these strips, the largest first. */
  follow(pixels: Pixels, near: readonly Box[], strips: readonly Strip[]): Face[] {
    return findFaces(this.#areas.update(pixels), { strips, near }, this.settings, this.#nets);
  }
}

/** The side of the square picture that a net takes; null where it takes any. */
function sizeOf({ inputs: [input] }: Contract): number | null {
  return input?.kind === "picture" ? input.height : null;
}
