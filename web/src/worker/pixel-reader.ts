import { Frame } from "./frame";
import type { Mode } from "./protocol";

/**
 * The longest side that is looked at, in pixels. Larger pictures are made smaller first: a camera's to keep up
 * with it, a file's to keep within memory.
 */
const LONGEST: Readonly<Record<Mode, number>> = { camera: 960, picture: 2560 };

/** Reads bitmaps on one canvas and into one piece of memory that are kept. */
export class PixelReader {
  readonly #canvas = new OffscreenCanvas(1, 1);
  readonly #context: OffscreenCanvasRenderingContext2D;
  #data = new Uint8ClampedArray(0);

  constructor() {
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser gives workers no canvas");
    this.#context = context;
  }

  /**
   * Take in a bitmap and close it. Transparent parts show white.
   *
   * @returns The pixels, which are there until the next bitmap is taken in, and how many pixels of the bitmap one of them spans, at least 1.
   */
  read(bitmap: ImageBitmap, mode: Mode): { pixels: Frame; scale: number } {
    const scale = Math.max(1, Math.max(bitmap.width, bitmap.height) / LONGEST[mode]);
    const width = Math.max(1, Math.round(bitmap.width / scale));
    const height = Math.max(1, Math.round(bitmap.height / scale));
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#context;
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    if (this.#data.length !== width * height * 4) this.#data = new Uint8ClampedArray(width * height * 4);
    return { pixels: new Frame(context, this.#data, width, height), scale };
  }
}
