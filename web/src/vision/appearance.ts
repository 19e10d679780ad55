/** The side of a thumbnail, in pixels. */
const SIDE = 12;
/** A deviation below this, in gray levels, is no pattern: the crop is flat. */
const FLAT = 1e-3;

/** A face's thumbnail: 12 · 12 values of mean 0 and length 1, or all 0 for a flat crop. */
export type Appearance = Float32Array;

/**
 * The appearance of an aligned crop, whose light and contrast are taken out.
 *
 * It tells two people apart for seconds, in one light, and does not recognise anybody: of four people side by side in
 * made videos of the photos in ../shared, thumbnails of one person agree by 0.73–1.00 and of two people by at most 0.63.
 *
 * @param crop height · width · channels values, channels last.
 */
export function appearance(crop: Float32Array, height: number, width: number): Appearance {
  const channels = crop.length / (height * width);
  const found = new Float32Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    const [top, bottom] = bin(row, height);
    for (let column = 0; column < SIDE; column++) {
      const [left, right] = bin(column, width);
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let at = (y * width + left) * channels; at < (y * width + right) * channels; at++) sum += crop[at]!;
      }
      found[row * SIDE + column] = sum / ((bottom - top) * (right - left) * channels);
    }
  }
  return normalised(found);
}

/** How much two appearances agree, −1 to 1: the correlation of the thumbnails. */
export function agreement(first: Appearance, second: Appearance): number {
  return first.reduce((sum, value, index) => sum + value * second[index]!, 0);
}

/** The appearance between two, `weight` of the way from the first to the second. */
export function blended(first: Appearance, second: Appearance, weight: number): Appearance {
  return normalised(first.map((value, index) => value + weight * (second[index]! - value)));
}

/** The pixels of one bin of the thumbnail, at least one. */
function bin(index: number, length: number): [number, number] {
  return [Math.floor((index * length) / SIDE), Math.ceil(((index + 1) * length) / SIDE)];
}

function normalised(values: Float32Array): Appearance {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const length = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return values.map((value) => (length < FLAT ? 0 : (value - mean) / length));
}
