import type { Crop, PictureInput } from "../contract";
import { sample } from "./sampling";
import { inverse, similarity } from "./similarity";
import type { Affine, Box, Face, Pixels } from "./types";

/** The parts of a contract that say how a face gets onto the input grid; the grid's size is fixed. */
export interface Grid {
  readonly height: number;
  readonly width: number;
  readonly color: PictureInput["color"];
  readonly crop: Crop;
}

/** The classifier's input for one face: height · width · channels values, channels last, 0–255. */
export function cropFace(pixels: Pixels, face: Pick<Face, "box" | "landmarks">, grid: Grid): Float32Array {
  const values = sample(pixels, gridToPhoto(face, grid), grid.height, grid.width, grid.color === "gray");
  if (grid.color === "bgr") for (let at = 0; at < values.length; at += 3) values.subarray(at, at + 3).reverse();
  return values;
}

/** The map from the input grid to the picture; from the landmarks, or else from the box. */
export function gridToPhoto(face: Pick<Face, "box" | "landmarks">, grid: Grid): Affine {
  const ontoGrid = face.landmarks && similarity(face.landmarks, grid.crop.template);
  return ontoGrid ? inverse(ontoGrid) : square(face.box, grid);
}

/** The square around the box, its side longer by the contract's margin, onto the grid's inner square. */
function square([x1, y1, x2, y2]: Box, { height, width, crop }: Grid): Affine {
  const side = Math.max(x2 - x1, y2 - y1) * (1 + crop.margin);
  if (!(side > 0)) throw new RangeError(`a face without extent: box ${[x1, y1, x2, y2].join(", ")}`);
  const scale = side / Math.min(height, width);
  return [scale, 0, (x1 + x2) / 2 - (scale * width) / 2, 0, scale, (y1 + y2) / 2 - (scale * height) / 2];
}
