import type { Grid } from "../geometry/align";
import { cropFace } from "../geometry/align";
import type { Face, Pixels } from "../geometry/types";
import { type Appearance, appearance } from "./appearance";

/** A face that was found, with what is computed from its picture when somebody asks for it: each costs about a millisecond. */
export class FaceCrop {
  #crop: Float32Array | null = null;
  #looks: Appearance | null = null;

  constructor(
    readonly face: Face,
    private readonly pixels: Pixels,
    private readonly grid: Grid,
  ) {}

  /** The classifier's input: height · width · channels values, channels last, 0–255. */
  get crop(): Float32Array {
    return (this.#crop ??= cropFace(this.pixels, this.face, this.grid));
  }

  get looks(): Appearance {
    return (this.#looks ??= appearance(this.crop, this.grid.height, this.grid.width));
  }
}
