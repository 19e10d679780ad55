import type { Box, Pixels } from "./types";

/**
 * Summed areas of one picture (Crow 1984), for resizing many windows of it by area.
 *
 * A pyramid level then costs as much as it has pixels, however large the picture. Bins are those of
 * adaptive average pooling, ⌊i·size/n⌋ to ⌈(i + 1)·size/n⌉, which the detector was made for.
 * Sums wrap around at 2³², but their differences are right, because no single bin sums to that much.
 */
export class AreaTable {
  height = 0;
  width = 0;
  #sums = new Uint32Array(0);

  /** Take in a picture; memory is reused from frame to frame of one size. */
  update({ data, width, height }: Pixels): this {
    const stride = (width + 1) * 3;
    if (width !== this.width || height !== this.height) this.#sums = new Uint32Array((height + 1) * stride);
    [this.width, this.height] = [width, height];
    const sums = this.#sums;
    for (let y = 0, from = 0; y < height; y++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let to = (y + 1) * stride + 3;
      for (let x = 0; x < width; x++, from += 4, to += 3) {
        red += data[from]!;
        green += data[from + 1]!;
        blue += data[from + 2]!;
        sums[to] = sums[to - stride]! + red;
        sums[to + 1] = sums[to + 1 - stride]! + green;
        sums[to + 2] = sums[to + 2 - stride]! + blue;
      }
    }
    return this;
  }

  /**
   * Resize a window into `out` from `offset` on: height · width · 3 values, 0–255.
   *
   * @param window Whole pixels inside the picture, not empty.
   */
  resize([x1, y1, x2, y2]: Box, height: number, width: number, out: Float32Array, offset = 0): void {
    const sums = this.#sums;
    const stride = (this.width + 1) * 3;
    const [left, right] = bins(x1, x2, width);
    const [top, bottom] = bins(y1, y2, height);
    let to = offset;
    for (let row = 0; row < height; row++) {
      const upper = top[row]! * stride;
      const lower = bottom[row]! * stride;
      for (let column = 0; column < width; column++) {
        const west = left[column]! * 3;
        const east = right[column]! * 3;
        const area = (bottom[row]! - top[row]!) * (right[column]! - left[column]!);
        for (let channel = 0; channel < 3; channel++) {
          const total =
            sums[lower + east + channel]! -
            sums[upper + east + channel]! -
            sums[lower + west + channel]! +
            sums[upper + west + channel]!;
          out[to++] = (total >>> 0) / area;
        }
      }
    }
  }
}

/** First and last edge of `count` bins over pixels `start` to `end`. */
function bins(start: number, end: number, count: number): [Int32Array, Int32Array] {
  const size = end - start;
  const low = new Int32Array(count);
  const high = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    low[index] = start + Math.floor((index * size) / count);
    high[index] = start + Math.ceil(((index + 1) * size) / count);
  }
  return [low, high];
}
