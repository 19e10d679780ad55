import type { Cascade } from "../contract";
import type { Part } from "../geometry/areas";
import type { Box } from "../geometry/types";
import { size } from "./motion";

/** P-Net's cell and the distance from cell to cell, in pixels of a level: properties of the net. */
export const CELL = 12;
export const STRIDE = 2;

/** A face between these multiples of the cell is found in a level: P-Net corrects sizes by so much. */
const FITS = [0.7, 1.5] as const;
/** How far around the middle of a lost face is looked, in its sizes. */
const REACH = 1.5;

/** A part of one level of the pyramid, for P-Net. */
export interface Strip {
  /** Pixels of the level for one of the picture. */
  readonly scale: number;
  /** The level's size in pixels. */
  readonly height: number;
  readonly width: number;
  /** The pixels of the level that P-Net sees; `top` and `left` are even, so that its cells are those of the whole level. */
  readonly part: Part;
}

/** The pyramid's scales, largest first: from the smallest face onto P-Net's cell up to the whole picture. */
export function scales(height: number, width: number, { min_face, factor }: Pick<Cascade, "min_face" | "factor">): number[] {
  const found: number[] = [];
  let scale = CELL / min_face;
  let side = Math.min(height, width) * scale;
  while (side >= CELL) {
    found.push(scale);
    scale *= factor;
    side *= factor;
  }
  return found;
}

/** The whole pyramid of a picture, a strip a level. */
export function pyramid(height: number, width: number, settings: Pick<Cascade, "min_face" | "factor">): Strip[] {
  return scales(height, width, settings).map((scale) => whole(height, width, scale));
}

/**
 * The pyramid in portions that cost about the same each, which together see all that the whole one does: large levels
 * are cut between rows of P-Net's cells, small ones put together.
 */
export function portions(height: number, width: number, settings: Pick<Cascade, "min_face" | "factor">, count: number): Strip[][] {
  const levels = pyramid(height, width, settings);
  const budget = levels.reduce((sum, level) => sum + cost(level), 0) / count;
  const found: Strip[][] = [];
  let left = 0;
  for (const strip of levels.flatMap((level) => cut(level, Math.max(1, Math.round(cost(level) / budget))))) {
    if (cost(strip) > left || found.length === 0) {
      found.push([]);
      left = budget;
    }
    found.at(-1)!.push(strip);
    left -= cost(strip);
  }
  return found;
}

/** The strips in which P-Net finds a face that is not far from this box and not much larger or smaller. */
export function around(box: Box, height: number, width: number, settings: Pick<Cascade, "min_face" | "factor">): Strip[] {
  const side = size(box);
  const fitting = scales(height, width, settings).filter((scale) => {
    const seen = side * scale;
    return seen >= CELL * FITS[0] && seen < CELL * FITS[1];
  });
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return fitting.flatMap((scale) => {
    const level = whole(height, width, scale);
    const range = (middle: number, end: number): [number, number] => {
      const low = Math.floor(((middle - side * REACH) * scale) / STRIDE) * STRIDE;
      return [Math.max(0, low), Math.min(end, Math.ceil((middle + side * REACH) * scale))];
    };
    const [left, right] = range(x, level.width);
    const [top, bottom] = range(y, level.height);
    return right - left >= CELL && bottom - top >= CELL ? [{ ...level, part: { top, bottom, left, right } }] : [];
  });
}

function whole(height: number, width: number, scale: number): Strip {
  const [rows, columns] = [Math.trunc(height * scale + 1), Math.trunc(width * scale + 1)];
  return { scale, height: rows, width: columns, part: { top: 0, bottom: rows, left: 0, right: columns } };
}

/** How many pixels P-Net sees. */
function cost({ part: { top, bottom, left, right } }: Strip): number {
  return (bottom - top) * (right - left);
}

/** How many rows of cells P-Net has over so many rows of pixels: its pool of 2 rounds up, and its three 3×3 take an edge each. */
function cells(pixels: number): number {
  return Math.max(0, Math.ceil((pixels - 2) / STRIDE) - 4);
}

function cut(level: Strip, count: number): Strip[] {
  const rows = cells(level.height);
  const most = Math.min(count, rows);
  return Array.from({ length: most }, (_, index): Strip => {
    const [first, last] = [Math.floor((index * rows) / most), Math.floor(((index + 1) * rows) / most)];
    // What is below the last row of cells belongs to it: the pool rounds up.
    const bottom = last === rows ? level.height : (last - 1) * STRIDE + CELL;
    return { ...level, part: { ...level.part, top: first * STRIDE, bottom } };
  });
}
