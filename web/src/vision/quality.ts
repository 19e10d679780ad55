import { similarity } from "../geometry/similarity";
import type { Box, Face, Landmarks } from "../geometry/types";
import type { Grid } from "../geometry/align";

/** The side of the square that sharpness is measured on, in pixels: noise counts little there, and blur much. */
const SIDE = 24;
/** The share of a crop's pixels that may be brighter than its `light`: eyes, teeth and reflections count. */
const BRIGHTEST = 0.05;
/** From this gray level on a pixel is burnt out. */
const WHITE = 250;

/** The misfit of landmarks that fall together. */
const NO_FIT = 10;

/** What a face's picture is like; what of it is good enough says `steady/doubt.ts`. */
export interface Quality {
  /** The shorter side of the box, in pixels of the picture that was read. */
  readonly size: number;
  /** The gray level that 5 % of the crop's pixels exceed, 0–255. */
  readonly light: number;
  /** The share of the crop's pixels that are burnt out, 0–1. */
  readonly glare: number;
  /** The variance of the Laplacian over that of the picture, on 24 × 24 pixels: below 0.1 for a smear, about 1 for a face. */
  readonly sharpness: number;
  /** How far the nose is from the middle between the eyes, along the line through them, in distances of the eyes; 0 without landmarks. */
  readonly turn: number;
  /** The root mean square distance of the landmarks from the contract's template, in eye distances of the template; 0 without landmarks. */
  readonly misfit: number;
}

/**
 * Measure the picture of one face.
 *
 * @param crop What `cropFace` gave for it.
 */
export function quality({ box, landmarks }: Pick<Face, "box" | "landmarks">, crop: Float32Array, grid: Grid): Quality {
  const gray = grayOf(crop, grid.height * grid.width);
  return {
    size: shorter(box),
    light: gray.slice().sort()[Math.floor(gray.length * (1 - BRIGHTEST))]!,
    glare: gray.filter((value) => value >= WHITE).length / gray.length,
    sharpness: sharpness(gray, grid.height, grid.width),
    turn: landmarks ? turn(landmarks) : 0,
    misfit: landmarks ? misfit(landmarks, grid.crop.template) : 0,
  };
}

function shorter([x1, y1, x2, y2]: Box): number {
  return Math.min(x2 - x1, y2 - y1);
}

/** The mean of the channels. */
function grayOf(crop: Float32Array, count: number): Float32Array {
  const channels = crop.length / count;
  if (channels === 1) return crop;
  return Float32Array.from({ length: count }, (_, index) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += crop[index * channels + channel]!;
    return sum / channels;
  });
}

/** 0 for a flat picture. */
function sharpness(gray: Float32Array, height: number, width: number): number {
  const small = reduced(gray, height, width);
  const edges: number[] = [];
  for (let row = 1; row < SIDE - 1; row++) {
    for (let column = 1; column < SIDE - 1; column++) {
      const at = row * SIDE + column;
      edges.push(4 * small[at]! - small[at - 1]! - small[at + 1]! - small[at - SIDE]! - small[at + SIDE]!);
    }
  }
  const contrast = variance(small);
  return contrast < 1e-6 ? 0 : variance(edges) / contrast;
}

/** The picture on SIDE × SIDE pixels, by area. */
function reduced(gray: Float32Array, height: number, width: number): number[] {
  const small: number[] = [];
  for (let row = 0; row < SIDE; row++) {
    const [top, bottom] = [Math.floor((row * height) / SIDE), Math.ceil(((row + 1) * height) / SIDE)];
    for (let column = 0; column < SIDE; column++) {
      const [left, right] = [Math.floor((column * width) / SIDE), Math.ceil(((column + 1) * width) / SIDE)];
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += gray[y * width + x]!;
      small.push(sum / ((bottom - top) * (right - left)));
    }
  }
  return small;
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

function turn([left, right, nose]: Landmarks): number {
  const [x, y] = [right[0] - left[0], right[1] - left[1]];
  const across = (nose[0] - (left[0] + right[0]) / 2) * x + (nose[1] - (left[1] + right[1]) / 2) * y;
  // Eyes that fall together are those of a profile.
  return Math.abs(across) / Math.max(x * x + y * y, 1e-9);
}

function misfit(landmarks: Landmarks, template: Landmarks): number {
  const map = similarity(landmarks, template);
  if (!map) return NO_FIT;
  const [a, b, tx, c, d, ty] = map;
  const squares = landmarks.map(([x, y], index) => {
    const [u, v] = template[index]!;
    return (a * x + b * y + tx - u) ** 2 + (c * x + d * y + ty - v) ** 2;
  });
  const eyes = Math.hypot(template[1][0] - template[0][0], template[1][1] - template[0][1]);
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length) / eyes;
}
