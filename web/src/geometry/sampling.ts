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
  const [a, b, tx, c, d, ty] = affine;
  const out = new Float32Array(height * width * channels);
  const sum = new Float64Array(channels);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      sum.fill(0);
      for (let j = 0; j < k; j++) {
        const v = row + (j + 0.5) / k;
        for (let i = 0; i < k; i++) {
          const u = column + (i + 0.5) / k;
          addBilinear(pixels, a * u + b * v + tx, c * u + d * v + ty, sum);
        }
      }
      const at = (row * width + column) * channels;
      for (let channel = 0; channel < channels; channel++) out[at + channel] = (sum[channel] ?? 0) / (k * k);
    }
  }
  return out;
}

/** Add the colour (three sums) or the luma (one sum) at (x, y); beyond the outer centres the edge is repeated. */
function addBilinear({ data, width, height }: Pixels, x: number, y: number, sum: Float64Array): void {
  const left = clamp(x - 0.5, -1, width);
  const top = clamp(y - 0.5, -1, height);
  const x0 = Math.floor(left);
  const y0 = Math.floor(top);
  const wx = left - x0;
  const wy = top - y0;
  const c0 = clamp(x0, 0, width - 1) * 4;
  const c1 = clamp(x0 + 1, 0, width - 1) * 4;
  const r0 = clamp(y0, 0, height - 1) * width * 4;
  const r1 = clamp(y0 + 1, 0, height - 1) * width * 4;
  if (sum.length === 1) {
    const upper = (1 - wx) * luma(data, r0 + c0) + wx * luma(data, r0 + c1);
    const lower = (1 - wx) * luma(data, r1 + c0) + wx * luma(data, r1 + c1);
    sum[0]! += (1 - wy) * upper + wy * lower;
    return;
  }
  for (let channel = 0; channel < 3; channel++) {
    const upper = (1 - wx) * data[r0 + c0 + channel]! + wx * data[r0 + c1 + channel]!;
    const lower = (1 - wx) * data[r1 + c0 + channel]! + wx * data[r1 + c1 + channel]!;
    sum[channel]! += (1 - wy) * upper + wy * lower;
  }
}

function luma(data: Pixels["data"], at: number): number {
  return RED * data[at]! + GREEN * data[at + 1]! + BLUE * data[at + 2]!;
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
