import type { Contract } from "../contract";
import { AreaTable } from "../geometry/area-table";
import type { Box, Face, Pixels } from "../geometry/types";
import { findFaces, type Nets, type Settings } from "./cascade";

/** The cascade with the settings of its contracts and a table that is reused. */
export class Detector {
  readonly #settings: Settings;
  readonly #nets: Nets;
  readonly #table = new AreaTable();

  /** @throws Error A contract lacks the cascade's settings or a size. */
  constructor(contracts: Readonly<Record<"pnet" | "rnet" | "onet", Contract>>, nets: Nets) {
    const { cascade } = contracts.pnet;
    const [rnetSize, onetSize] = [sizeOf(contracts.rnet), sizeOf(contracts.onet)];
    if (!cascade || rnetSize === null || onetSize === null) throw new Error("the detector's contracts are incomplete");
    this.#settings = { ...cascade, rnetSize, onetSize };
    this.#nets = nets;
  }

  /** The faces in a picture, the largest first; arguments as for `findFaces`. */
  find(pixels: Pixels, search: boolean, near: readonly Box[]): Face[] {
    return findFaces(this.#table.update(pixels), search, near, this.#settings, this.#nets);
  }
}

/** The side of the square picture that a net takes; null where it takes any. */
function sizeOf({ inputs: [input] }: Contract): number | null {
  return input?.kind === "picture" ? input.height : null;
}
