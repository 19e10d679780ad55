/** The page's pure functions on the global `ferTesting`, so that tests can hold them against Python's. */

import { cropFace, gridToPhoto } from "../src/geometry/align";
import { AreaTable } from "../src/geometry/area-table";
import { iou, regress, squared, suppress, windowOf } from "../src/geometry/boxes";
import { sample, spread, subsamples } from "../src/geometry/sampling";
import { inverse, similarity } from "../src/geometry/similarity";
import { findFaces, scales } from "../src/vision/cascade";
import { Classifier } from "../src/vision/classifier";
import { Tracker } from "../src/vision/tracker";

Object.assign(globalThis, {
  ferTesting: {
    AreaTable,
    Classifier,
    Tracker,
    cropFace,
    findFaces,
    gridToPhoto,
    inverse,
    iou,
    regress,
    sample,
    scales,
    similarity,
    spread,
    squared,
    subsamples,
    suppress,
    windowOf,
  },
});
