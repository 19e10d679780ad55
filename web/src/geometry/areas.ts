import type { Box, Pixels } from "./types";

/** A part of a grid: its rows from `top` to before `bottom`, its columns from `left` to before `right`. */
export interface Part {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/**
 * One picture whose windows are resized by area.
 *
 * Bins are those of adaptive average pooling, ⌊i·size/n⌋ to ⌈(i + 1)·size/n⌉, which the detector was made for. A few
 * windows are added up pixel by pixel. For many, as for a whole pyramid, a table of summed areas (Crow 1984) is made
 * first, and each bin costs the same however large it is. The results are the same to the last bit: sums of whole
 * numbers, divided once. The table's sums wrap around at 2³², but their differences are right, because no single bin
 * sums to that much.
 */
export class Areas {
  height = 0;
  width = 0;
  #pixels: Pixels = { data: new Uint8Array(0), width: 0, height: 0 };
  #sums = new Uint32Array(0);
  #tabled = false;

  /** Take in a picture; memory is reused from frame to frame of one size. */
  update(pixels: Pixels): this {
    const { width, height } = pixels;
    if (width !== this.width || height !== this.height) this.#sums = new Uint32Array(0);
    [this.width, this.height, this.#pixels, this.#tabled] = [width, height, pixels, false];
    return this;
  }

  /** Make the table, which costs as much as adding up three times the picture's pixels. */
  tabulate(): void {
    if (this.#tabled) return;
    const { width, height } = this;
    const stride = (width + 1) * 3;
    if (this.#sums.length === 0) this.#sums = new Uint32Array((height + 1) * stride);
    this.#pixels.need?.(0, 0, width, height);
    const [{ data }, sums] = [this.#pixels, this.#sums];
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
    this.#tabled = true;
  }

  /**
   * Resize a window onto a grid and write it, or a part of it, into `out` from `offset` on: 3 values a cell, 0–255.
   *
   * @param window Whole pixels inside the picture, not empty.
   * @param height The grid's rows; `width` its columns.
   */
  resize(window: Box, height: number, width: number, out: Float32Array, offset = 0, part?: Part): void {
    const { top, bottom, left, right } = part ?? { top: 0, bottom: height, left: 0, right: width };
    const [west, east] = bins(window[0], window[2], width, left, right);
    const [north, south] = bins(window[1], window[3], height, top, bottom);
    const write = this.#tabled ? this.#fromTable : this.#fromPixels;
    write.call(this, north, south, west, east, out, offset);
  }

  #fromTable(north: Int32Array, south: Int32Array, west: Int32Array, east: Int32Array, out: Float32Array, offset: number): void {
    const sums = this.#sums;
    const stride = (this.width + 1) * 3;
    for (let row = 0, to = offset; row < north.length; row++) {
      const upper = north[row]! * stride;
      const lower = south[row]! * stride;
      for (let column = 0; column < west.length; column++) {
        const first = west[column]! * 3;
        const last = east[column]! * 3;
        const area = (south[row]! - north[row]!) * (east[column]! - west[column]!);
        for (let channel = 0; channel < 3; channel++) {
          const total =
            sums[lower + last + channel]! -
            sums[upper + last + channel]! -
            sums[lower + first + channel]! +
            sums[upper + first + channel]!;
          out[to++] = (total >>> 0) / area;
        }
      }
    }
  }

  #fromPixels(north: Int32Array, south: Int32Array, west: Int32Array, east: Int32Array, out: Float32Array, offset: number): void {
    const { data, width, need } = this.#pixels;
    need?.(west[0]!, north[0]!, east.at(-1)!, south.at(-1)!);
    for (let row = 0, to = offset; row < north.length; row++) {
      const [upper, lower] = [north[row]!, south[row]!];
      for (let column = 0; column < west.length; column++) {
        const [first, last] = [west[column]!, east[column]!];
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let y = upper; y < lower; y++) {
          for (let at = (y * width + first) * 4, end = (y * width + last) * 4; at < end; at += 4) {
            red += data[at]!;
            green += data[at + 1]!;
            blue += data[at + 2]!;
          }
        }
        const area = (lower - upper) * (last - first);
        out[to++] = red / area;
        out[to++] = green / area;
        out[to++] = blue / area;
      }
    }
  }
}

/** First and last edge of bins `from` to before `to`, of `count` over pixels `start` to `end`. */
function bins(start: number, end: number, count: number, from: number, to: number): [Int32Array, Int32Array] {
  const size = end - start;
  const low = new Int32Array(to - from);
  const high = new Int32Array(to - from);
  for (let index = from; index < to; index++) {
    low[index - from] = start + Math.floor((index * size) / count);
    high[index - from] = start + Math.ceil(((index + 1) * size) / count);
  }
  return [low, high];
}
