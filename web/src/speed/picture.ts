import portrait from "fer:portrait";

import { decode } from "../source/picture";

/** The side of the drawn picture, in pixels. */
const SIDE = 256;

/** What is on a measured picture. */
export type PictureName = "portrait" | "drawn";

/** The picture that backends are measured with: the sample portrait, or a drawn face where none is packaged. */
export async function measuredPicture(): Promise<{ name: PictureName; make(): Promise<ImageBitmap> }> {
  if (!portrait) {
    const canvas = drawn();
    return { name: "drawn", make: () => createImageBitmap(canvas) };
  }
  const file = await (await fetch(portrait)).blob();
  return { name: "portrait", make: () => decode(file) };
}

function drawn(): OffscreenCanvas {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d")!;
  const oval = (colour: string, x: number, y: number, width: number, height: number, end = 2 * Math.PI): void => {
    context.fillStyle = colour;
    context.beginPath();
    context.ellipse(x * SIDE, y * SIDE, width * SIDE, height * SIDE, 0, 0, end);
    context.fill();
  };
  context.fillStyle = "#8fa3b5";
  context.fillRect(0, 0, SIDE, SIDE);
  oval("#4a3527", 0.5, 0.42, 0.29, 0.34);
  oval("#dcae8f", 0.5, 0.5, 0.24, 0.32);
  for (const x of [0.41, 0.59]) {
    oval("#4a3527", x, 0.38, 0.06, 0.012);
    oval("#f6f1ea", x, 0.44, 0.045, 0.022);
    oval("#2c2320", x, 0.44, 0.02, 0.022);
  }
  oval("#c08f72", 0.5, 0.56, 0.035, 0.025);
  oval("#9c4a44", 0.5, 0.66, 0.09, 0.04, Math.PI);
  return canvas;
}
