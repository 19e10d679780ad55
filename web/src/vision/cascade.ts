import type { Cascade } from "../contract";
import type { Areas } from "../geometry/areas";
import { area, iou, regress, squared, suppress, windowOf } from "../geometry/boxes";
import type { Box, Face, Landmarks, Point } from "../geometry/types";
import { type Answer, type Net, output } from "./net";
import { around, CELL, STRIDE, type Strip } from "./pyramid";

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

/** R- and O-Net take at most this many windows at once, so that a crowd does not need unlimited memory. */
const PORTION = 256;
const SUPPRESS_IN_LEVEL = 0.5;
const SUPPRESS = 0.7;
/** A proposal that overlaps a followed face by more than this, over the union, is that face. */
const FOLLOWED = 0.3;
/** The table of areas pays when windows together have so many times the picture's pixels. */
const TABLE_PAYS = 3;

/** Where a picture is looked at. */
export interface Where {
  /** What P-Net searches: `pyramid` gives the whole picture. */
  readonly strips: readonly Strip[];
  /** Where faces are expected: O-Net decides alone, and P-Net looks around for those that are not there. */
  readonly near: readonly Box[];
}

/** The faces in a picture, the largest first. */
export function findFaces(areas: Areas, { strips, near }: Where, settings: Settings, nets: Nets): Face[] {
  const pixels = strips.reduce((sum, { part, scale }) => sum + ((part.bottom - part.top) * (part.right - part.left)) / scale ** 2, 0);
  if (pixels > TABLE_PAYS * areas.width * areas.height) areas.tabulate();
  const followed = decide(areas, near.map(squared), settings, nets);
  const faces = followed.map(({ face }) => face);
  const there = new Set(followed.map(({ from }) => from));
  const lost = near.filter((_, index) => !there.has(index));
  const searched = [...strips, ...lost.flatMap((box) => around(box, areas.height, areas.width, settings))];
  const proposals = propose(areas, searched, settings, nets.pnet).filter((box) => faces.every((face) => iou(face.box, box) <= FOLLOWED));
  const found = [...faces, ...refine(areas, proposals, settings, nets)];
  return pick(found, SUPPRESS, "smaller").sort((first, second) => area(second.box) - area(first.box));
}

interface Candidate {
  readonly box: Box;
  readonly score: number;
  /** The net's offsets for all boxes, and the index at which this candidate's four begin. */
  readonly offsets: Float32Array;
  readonly at: number;
}

function propose(areas: Areas, strips: readonly Strip[], settings: Settings, pnet: Net): Box[] {
  const found = strips.flatMap((strip) => level(areas, strip, settings, pnet));
  return best(found, SUPPRESS).map(({ box, offsets, at }) => squared(regress(box, offsets, at, 0)));
}

function level(areas: Areas, strip: Strip, settings: Settings, pnet: Net): Candidate[] {
  const { scale, part } = strip;
  const [rows, columns] = [part.bottom - part.top, part.right - part.left];
  const pixels = new Float32Array(rows * columns * 3);
  areas.resize([0, 0, areas.width, areas.height], strip.height, strip.width, pixels, 0, part);
  const answer = pnet(pixels, [1, rows, columns, 3]);
  const probabilities = output(answer, "probabilities");
  const offsets = output(answer, "boxes").data;
  const across = probabilities.shape[2] ?? 0;
  const found: Candidate[] = [];
  for (let cell = 0; cell * 2 < probabilities.data.length; cell++) {
    const score = probabilities.data[cell * 2 + 1]!;
    if (score < settings.thresholds[0]) continue;
    const box = cellBox((cell % across) * STRIDE + part.left, Math.floor(cell / across) * STRIDE + part.top, scale);
    found.push({ box, score, offsets, at: cell * 4 });
  }
  return best(found, SUPPRESS_IN_LEVEL);
}

/** The part of the picture under a cell of P-Net's output, in the reference's single precision, which decides rounding. */
function cellBox(x: number, y: number, scale: number): Box {
  const single = Math.fround(scale);
  const edge = (value: number): number => Math.floor(Math.fround(value / single));
  return [edge(x + 1), edge(y + 1), edge(x + CELL), edge(y + CELL)];
}

/** The faces that R-Net lets through and O-Net finds in square proposals. */
function refine(areas: Areas, proposals: readonly Box[], settings: Settings, nets: Nets): Face[] {
  // R-Net's suppression comes before its offsets are applied, O-Net's after.
  const sorted = best(judge(areas, proposals, nets.rnet, settings.rnetSize, settings.thresholds[1]), SUPPRESS);
  const boxes = sorted.map(({ box, offsets, at }) => squared(regress(box, offsets, at, 1)));
  return decide(areas, boxes, settings, nets).map(({ face }) => face);
}

/** The faces that O-Net finds in square boxes; `from` is the index of the box. */
function decide(areas: Areas, boxes: readonly Box[], settings: Settings, nets: Nets): { face: Face; from: number }[] {
  return judge(areas, boxes, nets.onet, settings.onetSize, settings.thresholds[2]).map((found) => ({
    face: {
      box: regress(found.box, found.offsets, found.at, 1),
      score: found.score,
      landmarks: found.landmarks && place(found.landmarks, (found.at / 4) * 10, found.box),
    },
    from: found.from,
  }));
}

interface Judged extends Candidate {
  readonly landmarks: Float32Array | null;
  /** The index of its box among those that were given. */
  readonly from: number;
}

/** The boxes to which R- or O-Net gives more than `threshold`. */
function judge(areas: Areas, boxes: readonly Box[], net: Net, size: number, threshold: number): Judged[] {
  const inside = boxes.flatMap((box, from) => {
    const window = windowOf(box, areas.height, areas.width);
    return window ? [{ box, window, from }] : [];
  });
  const found: Judged[] = [];
  for (let start = 0; start < inside.length; start += PORTION) {
    const part = inside.slice(start, start + PORTION);
    const pixels = new Float32Array(part.length * size * size * 3);
    part.forEach(({ window }, index) => areas.resize(window, size, size, pixels, index * size * size * 3));
    const answer: Readonly<Record<string, Answer>> = net(pixels, [part.length, size, size, 3]);
    const scores = output(answer, "probabilities").data;
    const offsets = output(answer, "boxes").data;
    const landmarks = answer["landmarks"]?.data ?? null;
    part.forEach(({ box, from }, index) => {
      const score = scores[index * 2 + 1]!;
      if (score > threshold) found.push({ box, score, offsets, at: index * 4, landmarks, from });
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
