import type { Box } from "./types";

/**
 * Arithmetic on boxes, as in fer_export/faces/boxes.py. Some formulas count pixels inclusively (+ 1) and some
 * do not, as the reference does; a change would move its faces.
 */

/**
 * Greedy non-maximum suppression.
 *
 * @param threshold A box goes when its overlap with a better one exceeds this.
 * @param over The area that the intersection is divided by: of the "union", or of the "smaller" of the
 *   two boxes, which also drops boxes inside others and counts pixels inclusively.
 * @returns Indices of the boxes that stay, best first; among equals the earlier wins.
 */
export function suppress(
  boxes: readonly Box[],
  scores: readonly number[],
  threshold: number,
  over: "union" | "smaller" = "union",
): number[] {
  const pixel = over === "smaller" ? 1 : 0;
  const areas = boxes.map(([x1, y1, x2, y2]) => (x2 - x1 + pixel) * (y2 - y1 + pixel));
  let order = boxes.map((_, index) => index).sort((i, j) => scores[j]! - scores[i]! || i - j);
  const kept: number[] = [];
  while (order.length > 0) {
    const [best, ...rest] = order as [number, ...number[]];
    kept.push(best);
    order = rest.filter((other) => {
      const inter = intersection(boxes[best]!, boxes[other]!, pixel);
      const base =
        over === "union" ? areas[best]! + areas[other]! - inter : Math.min(areas[best]!, areas[other]!);
      return inter <= threshold * base;
    });
  }
  return kept;
}

/** Move each edge by its offset, in units of the box's width or height; `pixel` is added to those. */
export function regress([x1, y1, x2, y2]: Box, offsets: ArrayLike<number>, at: number, pixel: number): Box {
  const width = x2 - x1 + pixel;
  const height = y2 - y1 + pixel;
  return [
    x1 + offsets[at]! * width,
    y1 + offsets[at + 1]! * height,
    x2 + offsets[at + 2]! * width,
    y2 + offsets[at + 3]! * height,
  ];
}

/** The square around the box's centre whose side is the box's longer one. */
export function squared([x1, y1, x2, y2]: Box): Box {
  const width = x2 - x1;
  const height = y2 - y1;
  const side = Math.max(width, height);
  const left = x1 + width * 0.5 - side * 0.5;
  const top = y1 + height * 0.5 - side * 0.5;
  return [left, top, left + side, top + side];
}

/** The whole pixels under a box inside a picture, or null if there are none; the reference counts from 1. */
export function windowOf([x1, y1, x2, y2]: Box, height: number, width: number): Box | null {
  const left = Math.max(Math.trunc(x1), 1) - 1;
  const top = Math.max(Math.trunc(y1), 1) - 1;
  const right = Math.min(Math.trunc(x2), width);
  const bottom = Math.min(Math.trunc(y2), height);
  return right > left && bottom > top ? [left, top, right, bottom] : null;
}

/** Intersection over union, 0–1; 0 where both have no area. */
export function iou(first: Box, second: Box): number {
  const inter = intersection(first, second, 0);
  const union = area(first) + area(second) - inter;
  return union > 0 ? inter / union : 0;
}

/** The area of a box in square pixels; 0 for an inverted box. */
export function area([x1, y1, x2, y2]: Box): number {
  return Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
}

function intersection(first: Box, second: Box, pixel: number): number {
  const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]) + pixel;
  const height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]) + pixel;
  return Math.max(0, width) * Math.max(0, height);
}
