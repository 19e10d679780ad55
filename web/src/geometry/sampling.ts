import type { Affine, Pixels } from "./types";

/** Rule 3 of the sampling rule: the cap on sub-samples per side of an output pixel. */
export const MAX_SUBSAMPLES = 16;
/** ITU-R BT.601 luma. */
const RED = 0.299;
const GREEN = 0.587;
const BLUE = 0.114;

/** The largest singular value of the map's linear part: picture pixels per output pixel. */
export function spread([a, b, , c, d]: Affine): number {
  const half = (a * a + b * b + c * c + d * d) / 2;
  const determinant = a * d - b * c;
  return Math.sqrt(half + Math.sqrt(Math.max(0, half * half - determinant * determinant)));
}

/** Sub-samples per side of an output pixel, 1 to `MAX_SUBSAMPLES`. */
export function subsamples(affine: Affine): number {
  return Math.min(MAX_SUBSAMPLES, Math.max(1, Math.ceil(spread(affine) - 1e-9)));
}

/**
 * Read an output grid from a picture by the rule "area-bilinear/1", which
 * fer_export/faces/sampling.py states in full. Canvas scaling is not used: browsers differ in it.
 *
 * @param pixels RGBA; alpha is ignored.
 * @param affine Output grid → picture.
 * @param gray One channel of luma instead of three of colour.
 * @returns height · width · channels values, channels last, 0–255, single precision.
 * @throws RangeError The map is not finite or the picture is empty.
 */
export function sample(pixels: Pixels, affine: Affine, height: number, width: number, gray: boolean): Float32Array {
  if (!affine.every(Number.isFinite)) throw new RangeError(`an affine map is finite, not ${affine.join(", ")}`);
  if (pixels.width < 1 || pixels.height < 1) throw new RangeError("the picture is empty");
  const channels = gray ? 1 : 3;
  const k = subsamples(affine);
  const window = windowUnder(pixels, affine, height, width);
  const out = new Float32Array(height * width * channels);
  planes(pixels, window, gray).forEach((plane, channel) => {
    samplePlane(plane, window, pixels, affine, height, width, k, out, channel, channels);
  });
  return out;
}

/** Whole pixels of a picture: the first column and row, and how many. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

/** The pixels that any sub-sample of the grid may touch. */
function windowUnder({ width: w, height: h }: Pixels, [a, b, tx, c, d, ty]: Affine, height: number, width: number): Window {
  const range = ([low, high]: readonly [number, number], size: number): [number, number] => {
    const first = clamp(Math.floor(low - 0.5) - 1, 0, size - 1);
    const last = clamp(Math.floor(high - 0.5) + 2, 0, size - 1);
    return [first, last - first + 1];
  };
  const [left, columns] = range(extent(a, b, tx, height, width), w);
  const [top, rows] = range(extent(c, d, ty, height, width), h);
  return { left, top, columns, rows };
}

/** The window's luma, or its red, green and blue, 0–255. Each pixel is looked at once, however often it is sampled. */
function planes({ data, width, need }: Pixels, { left, top, columns, rows }: Window, gray: boolean): Float64Array[] {
  need?.(left, top, left + columns, top + rows);
  const found = Array.from({ length: gray ? 1 : 3 }, () => new Float64Array(columns * rows));
  for (let row = 0, to = 0; row < rows; row++) {
    let from = ((top + row) * width + left) * 4;
    for (let column = 0; column < columns; column++, from += 4, to++) {
      if (gray) {
        found[0]![to] = RED * data[from]! + GREEN * data[from + 1]! + BLUE * data[from + 2]!;
      } else {
        for (let channel = 0; channel < 3; channel++) found[channel]![to] = data[from + channel]!;
      }
    }
  }
  return found;
}

/**
 * Write one channel of the grid. These are the page's most frequent loops, 25 reads for each pixel of a face's crop at
 * close range, so all is inlined.
 */
function samplePlane(
  plane: Float64Array,
  { left, top, columns }: Window,
  { width: w, height: h }: Pixels,
  [a, b, tx, c, d, ty]: Affine,
  height: number,
  width: number,
  k: number,
  out: Float32Array,
  channel: number,
  channels: number,
): void {
  const inside = isInside([a, b, tx, c, d, ty], height, width, w, h);
  const steps = Float64Array.from({ length: k }, (_, index) => (index + 0.5) / k);
  for (let row = 0, to = channel; row < height; row++) {
    for (let column = 0; column < width; column++, to += channels) {
      let sum = 0;
      for (let j = 0; j < k; j++) {
        const v = row + steps[j]!;
        const bv = b * v;
        const dv = d * v;
        for (let i = 0; i < k; i++) {
          const u = column + steps[i]!;
          let x = a * u + bv + tx - 0.5;
          let y = c * u + dv + ty - 0.5;
          let at = 0;
          let right = 1;
          let below = columns;
          let x0 = 0;
          let y0 = 0;
          if (inside) {
            x0 = x | 0;
            y0 = y | 0;
            at = (y0 - top) * columns + x0 - left;
          } else {
            // Beyond the outer centres the edge is repeated.
            x = x < -1 ? -1 : x > w ? w : x;
            y = y < -1 ? -1 : y > h ? h : y;
            x0 = Math.floor(x);
            y0 = Math.floor(y);
            const c0 = x0 < 0 ? 0 : x0 < w ? x0 : w - 1;
            const r0 = y0 < 0 ? 0 : y0 < h ? y0 : h - 1;
            right = (x0 + 1 < w ? x0 + 1 : w - 1) - c0;
            below = ((y0 + 1 < h ? y0 + 1 : h - 1) - r0) * columns;
            at = (r0 - top) * columns + c0 - left;
          }
          const wx = x - x0;
          const wy = y - y0;
          const upper = (1 - wx) * plane[at]! + wx * plane[at + right]!;
          const lower = (1 - wx) * plane[at + below]! + wx * plane[at + below + right]!;
          sum += (1 - wy) * upper + wy * lower;
        }
      }
      out[to] = sum / (k * k);
    }
  }
}

/** Whether the whole grid lies between the outer centres of the picture, so that no sub-sample needs its edge. */
function isInside([a, b, tx, c, d, ty]: Affine, height: number, width: number, w: number, h: number): boolean {
  const [left, right] = extent(a, b, tx, height, width);
  const [top, bottom] = extent(c, d, ty, height, width);
  return left >= 1 && top >= 1 && right < w - 1 && bottom < h - 1;
}

/** From where to where one coordinate of the grid's corners reaches in the picture. */
function extent(along: number, down: number, start: number, height: number, width: number): readonly [number, number] {
  const corners = [start, along * width + start, down * height + start, along * width + down * height + start];
  return [Math.min(...corners), Math.max(...corners)];
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
