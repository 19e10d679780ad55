import type { Cascade } from "../contract";
import type { AreaTable } from "../geometry/area-table";
import { area, regress, squared, suppress, windowOf } from "../geometry/boxes";
import type { Box, Face, Landmarks, Point } from "../geometry/types";
import { type Answer, type Net, output } from "./net";

/**
 * MTCNN's cascade (Zhang et al. 2016), the same as in fer_export/faces/cascade.py, which says more.
 * P-Net proposes boxes over a pyramid, R-Net rejects most, O-Net decides and finds landmarks.
 */

export interface Nets {
  /** Any H × W → `probabilities` [N, h, w, 2], `boxes` [N, h, w, 4]. */
  readonly pnet: Net;
  /** 24 × 24 → `probabilities` [N, 2], `boxes` [N, 4]. */
  readonly rnet: Net;
  /** 48 × 48 → the same and `landmarks` [N, 10], five x and then five y. */
  readonly onet: Net;
}

/** Sizes that the nets were built with. R- and O-Net's come from their contracts. */
export interface Settings extends Cascade {
  readonly rnetSize: number;
  readonly onetSize: number;
}

const CELL = 12;
const STRIDE = 2;
const SUPPRESS_IN_LEVEL = 0.5;
const SUPPRESS = 0.7;
/** R- and O-Net take at most this many windows at once, so that a crowd does not need unlimited memory. */
const PORTION = 256;

/**
 * The faces in a picture, the largest first.
 *
 * @param search Whether P-Net searches the whole picture; if not, only `near` is looked at.
 * @param near Boxes where faces were in the frame before.
 */
export function findFaces(table: AreaTable, search: boolean, near: readonly Box[], settings: Settings, nets: Nets): Face[] {
  const proposals = search ? propose(table, settings, nets.pnet) : [];
  return refine(table, [...proposals, ...near.map(squared)], settings, nets);
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

interface Candidate {
  readonly box: Box;
  readonly score: number;
  /** The net's offsets for all boxes, and the index at which this candidate's four begin. */
  readonly offsets: Float32Array;
  readonly at: number;
}

function propose(table: AreaTable, settings: Settings, pnet: Net): Box[] {
  const levels = scales(table.height, table.width, settings);
  const found = levels.flatMap((scale) => level(table, scale, settings.thresholds[0], pnet));
  return best(found, SUPPRESS).map(({ box, offsets, at }) => squared(regress(box, offsets, at, 0)));
}

function level(table: AreaTable, scale: number, threshold: number, pnet: Net): Candidate[] {
  const height = Math.trunc(table.height * scale + 1);
  const width = Math.trunc(table.width * scale + 1);
  const pixels = new Float32Array(height * width * 3);
  table.resize([0, 0, table.width, table.height], height, width, pixels);
  const answer = pnet(pixels, [1, height, width, 3]);
  const probabilities = output(answer, "probabilities");
  const offsets = output(answer, "boxes").data;
  const columns = probabilities.shape[2] ?? 0;
  const found: Candidate[] = [];
  for (let cell = 0; cell * 2 < probabilities.data.length; cell++) {
    const score = probabilities.data[cell * 2 + 1]!;
    if (score < threshold) continue;
    const box = cellBox(cell % columns, Math.floor(cell / columns), scale);
    found.push({ box, score, offsets, at: cell * 4 });
  }
  return best(found, SUPPRESS_IN_LEVEL);
}

/** The part of the picture under a cell of P-Net's output, in the reference's single precision, which decides rounding. */
function cellBox(column: number, row: number, scale: number): Box {
  const single = Math.fround(scale);
  const edge = (value: number): number => Math.floor(Math.fround(value / single));
  const [x, y] = [column * STRIDE, row * STRIDE];
  return [edge(x + 1), edge(y + 1), edge(x + CELL), edge(y + CELL)];
}

function refine(table: AreaTable, proposals: readonly Box[], settings: Settings, nets: Nets): Face[] {
  const [, sorting, deciding] = settings.thresholds;
  // R-Net's suppression comes before its offsets are applied, O-Net's after.
  const sorted = best(judge(table, proposals, nets.rnet, settings.rnetSize, sorting), SUPPRESS);
  const boxes = sorted.map(({ box, offsets, at }) => squared(regress(box, offsets, at, 1)));
  const faces = judge(table, boxes, nets.onet, settings.onetSize, deciding).map((found) => ({
    box: regress(found.box, found.offsets, found.at, 1),
    score: found.score,
    landmarks: found.landmarks && place(found.landmarks, (found.at / 4) * 10, found.box),
  }));
  return pick(faces, SUPPRESS, "smaller").sort((first, second) => area(second.box) - area(first.box));
}

interface Judged extends Candidate {
  readonly landmarks: Float32Array | null;
}

/** The boxes to which R- or O-Net gives more than `threshold`. */
function judge(table: AreaTable, boxes: readonly Box[], net: Net, size: number, threshold: number): Judged[] {
  const inside = boxes.flatMap((box) => {
    const window = windowOf(box, table.height, table.width);
    return window ? [{ box, window }] : [];
  });
  const found: Judged[] = [];
  for (let start = 0; start < inside.length; start += PORTION) {
    const part = inside.slice(start, start + PORTION);
    const pixels = new Float32Array(part.length * size * size * 3);
    part.forEach(({ window }, index) => table.resize(window, size, size, pixels, index * size * size * 3));
    const answer: Readonly<Record<string, Answer>> = net(pixels, [part.length, size, size, 3]);
    const scores = output(answer, "probabilities").data;
    const offsets = output(answer, "boxes").data;
    const landmarks = answer["landmarks"]?.data ?? null;
    part.forEach(({ box }, index) => {
      const score = scores[index * 2 + 1]!;
      if (score > threshold) found.push({ box, score, offsets, at: index * 4, landmarks });
    });
  }
  return found;
}

/** O-Net's landmarks, relative to its box, as points of the picture. */
function place(relative: Float32Array, at: number, [x1, y1, x2, y2]: Box): Landmarks {
  const point = (index: number): Point => [
    relative[at + index]! * (x2 - x1 + 1) + x1 - 1,
    relative[at + 5 + index]! * (y2 - y1 + 1) + y1 - 1,
  ];
  return [point(0), point(1), point(2), point(3), point(4)];
}

function best(found: readonly Candidate[], threshold: number): Candidate[] {
  return pick(found, threshold, "union");
}

function pick<T extends { box: Box; score: number }>(found: readonly T[], threshold: number, over: "union" | "smaller"): T[] {
  const kept = suppress(
    found.map(({ box }) => box),
    found.map(({ score }) => score),
    threshold,
    over,
  );
  return kept.map((index) => found[index]!);
}
