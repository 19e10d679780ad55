/** The page's pure functions on the global `ferTesting`, so that tests can compare them with Python's. */

import { contentHash } from "../src/canonical";
import { cropFace, gridToPhoto } from "../src/geometry/align";
import { AreaTable } from "../src/geometry/area-table";
import { iou, regress, squared, suppress, windowOf } from "../src/geometry/boxes";
import { sample, spread, subsamples } from "../src/geometry/sampling";
import { inverse, similarity } from "../src/geometry/similarity";
import { readContract } from "../src/model-contract";
import { Smoothing } from "../src/smoothing";
import { anyNumber } from "../src/vision/batches";
import { findFaces, scales } from "../src/vision/cascade";
import { Classifier } from "../src/vision/classifier";
import { Tracker } from "../src/vision/tracker";
import { PixelReader } from "../src/worker/pixel-reader";
import { selfTest } from "../src/worker/self-test";

Object.assign(globalThis, {
  ferTesting: {
    AreaTable,
    Classifier,
    PixelReader,
    Smoothing,
    Tracker,
    anyNumber,
    contentHash,
    cropFace,
    findFaces,
    gridToPhoto,
    inverse,
    iou,
    readContract,
    regress,
    sample,
    scales,
    selfTest,
    similarity,
    spread,
    squared,
    subsamples,
    suppress,
    windowOf,
  },
});
