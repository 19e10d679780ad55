import type { Heat } from "../vision/explainer";
import type { Explanation } from "../worker/protocol";
import { texts } from "../texts";

/** What speaks for a class and what against it, as red, green and blue: vermilion and blue of `palette.ts`. */
const WARM = [213, 94, 0] as const;
const COLD = [0, 114, 178] as const;
/** How much the strongest place covers the picture, 0–1. */
const COVER = 0.8;
/** Pixels of the heat map for one of the crop. */
const SCALE = 6;

/** Draw a net's input as it is, a pixel for each of its own. */
export function drawCrop(canvas: HTMLCanvasElement, crop: Explanation["crop"]): void {
  canvas.width = crop.width;
  canvas.height = crop.height;
  canvas.getContext("2d")?.putImageData(new ImageData(rgba(crop), crop.width, crop.height), 0, 0);
}

/** Draw the heat over a gray picture of the crop; the strongest place, for or against, has the full colour. */
export function drawHeat(canvas: HTMLCanvasElement, crop: Explanation["crop"], heat: Heat): void {
  const under = document.createElement("canvas");
  drawCrop(under, crop);
  canvas.width = crop.width * SCALE;
  canvas.height = crop.height * SCALE;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.filter = "grayscale(1)";
  context.imageSmoothingEnabled = false;
  context.drawImage(under, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  const over = document.createElement("canvas");
  [over.width, over.height] = [heat.columns, heat.rows];
  over.getContext("2d")?.putImageData(new ImageData(coloured(heat), heat.columns, heat.rows), 0, 0);
  context.drawImage(over, 0, 0, canvas.width, canvas.height);
}

/** Say in words where the warmest place is, by thirds of the picture. */
export function strongest({ values, rows, columns }: Heat): string {
  const at = values.indexOf(Math.max(...values));
  const third = (place: number, count: number): number => Math.floor((3 * (place + 0.5)) / count);
  const [down, across] = [third(Math.floor(at / columns), rows), third(at % columns, columns)];
  return texts.why.places[3 * down + across]!;
}

function rgba({ values, height, width, color }: Explanation["crop"]): Uint8ClampedArray<ArrayBuffer> {
  const channels = values.length / (height * width);
  const order = channels === 1 ? [0, 0, 0] : color === "bgr" ? [2, 1, 0] : [0, 1, 2];
  const pixels = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let at = 0; at < height * width; at++) {
    for (const [place, channel] of order.entries()) pixels[4 * at + place] = values[at * channels + channel]!;
  }
  return pixels;
}

function coloured({ values }: Heat): Uint8ClampedArray<ArrayBuffer> {
  const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-9);
  return new Uint8ClampedArray([...values].flatMap((value) => [...(value > 0 ? WARM : COLD), (255 * COVER * Math.abs(value)) / most]));
}
