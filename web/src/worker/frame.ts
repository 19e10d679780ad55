import type { Pixels } from "../geometry/types";

/** What is read around the pixels that are needed, in their width and height: mostly what is needed next is in it. */
const MARGIN = 0.25;

/**
 * A picture on a canvas whose pixels are read where they are needed, since reading all of 640 × 480 takes as long as half
 * of all that is computed for a followed face. Outside of what was needed, `data` has an earlier frame's pixels.
 */
export class Frame implements Pixels {
  /** The time that reading has taken so far. */
  milliseconds = 0;
  #read: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number }[] = [];

  /** @param data Memory for the whole picture, 4 · width · height bytes. */
  constructor(
    private readonly context: OffscreenCanvasRenderingContext2D,
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}

  readonly need = (left: number, top: number, right: number, bottom: number): void => {
    if (this.#read.some((part) => part.left <= left && part.top <= top && part.right >= right && part.bottom >= bottom)) return;
    const start = performance.now();
    const [aside, above] = [Math.round((right - left) * MARGIN), Math.round((bottom - top) * MARGIN)];
    const part = {
      left: Math.max(0, left - aside),
      top: Math.max(0, top - above),
      right: Math.min(this.width, right + aside),
      bottom: Math.min(this.height, bottom + above),
    };
    const columns = part.right - part.left;
    const read = this.context.getImageData(part.left, part.top, columns, part.bottom - part.top, { colorSpace: "srgb" }).data;
    if (columns === this.width) {
      this.data.set(read, part.top * columns * 4);
    } else {
      for (let row = part.top, from = 0; row < part.bottom; row++, from += columns * 4) {
        this.data.set(read.subarray(from, from + columns * 4), (row * this.width + part.left) * 4);
      }
    }
    this.#read.push(part);
    this.milliseconds += performance.now() - start;
  };
}
