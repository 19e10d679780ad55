import type { Pixels } from "../geometry/types";
import type { Mode } from "./protocol";

/**
 * The longest side that is looked at, in pixels. Larger pictures are made smaller first: a camera's to keep up
 * with it, a file's to keep within memory.
 */
const LONGEST: Readonly<Record<Mode, number>> = { camera: 960, picture: 2560 };

/** Reads bitmaps into bytes on one canvas that is kept. */
export class PixelReader {
  readonly #canvas = new OffscreenCanvas(1, 1);
  readonly #context: OffscreenCanvasRenderingContext2D;

  constructor() {
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser gives workers no canvas");
    this.#context = context;
  }

  /**
   * Read a bitmap and close it. Transparent parts show white.
   *
   * @returns The pixels, and how many pixels of the bitmap one of them spans, at least 1.
   */
  read(bitmap: ImageBitmap, mode: Mode): { pixels: Pixels; scale: number } {
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
    return { pixels: context.getImageData(0, 0, width, height, { colorSpace: "srgb" }), scale };
  }
}
