/**
 * Coordinates, as in fer_export/contract: a picture of width W spans [0, W] in x, and pixel column j covers
 * [j, j + 1] with its centre at j + 0.5. The same holds for y, which points down.
 */

/** A picture as canvas gives it: RGBA, 4 · width · height bytes, rows from the top. */
export interface Pixels {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Sees to it that `data` is right in these columns and rows; where there is no such function, it is right everywhere. */
  readonly need?: (left: number, top: number, right: number, bottom: number) => void;
}

export type Point = readonly [x: number, y: number];
/** x1, y1, x2, y2 in pixels; may reach a little over the edge. */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number];
/** Left eye, right eye, nose, left and right mouth corner; left and right as seen in the picture. */
export type Landmarks = readonly [Point, Point, Point, Point, Point];
/** x = a·u + b·v + tx, y = c·u + d·v + ty. */
export type Affine = readonly [a: number, b: number, tx: number, c: number, d: number, ty: number];

/** What the cascade finds; `score` is O-Net's probability, 0–1. */
export interface Face {
  readonly box: Box;
  readonly score: number;
  readonly landmarks: Landmarks | null;
}
