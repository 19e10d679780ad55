import type { Pixels } from "../geometry/types";

/** What is wrong with the light of a whole picture. */
export type Light = "dark" | "bright";

/** Every so many pixels of a row, and every so many rows, are looked at. */
const STEP = 8;
/** Luma, 0–255, that only 5 % of a dark picture's pixels exceed. */
const DARK = 40;
/** Where this share of the pixels is burnt out, 0–1, the picture is overexposed. */
const BURNT = 0.4;
const WHITE = 250;

/** Name the light of a picture in which nobody was found; null where it does not explain that. */
export function lightOf({ data, width, height, need }: Pixels): Light | null {
  need?.(0, 0, width, height);
  let [count, dim, burnt] = [0, 0, 0];
  for (let y = STEP >> 1; y < height; y += STEP) {
    for (let x = STEP >> 1; x < width; x += STEP) {
      const at = (y * width + x) * 4;
      const luma = 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      count++;
      if (luma <= DARK) dim++;
      if (luma >= WHITE) burnt++;
    }
  }
  if (count === 0) return null;
  if (dim / count >= 0.95) return "dark";
  return burnt / count >= BURNT ? "bright" : null;
}
