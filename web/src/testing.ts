/** The page's pure functions on the global `ferTesting`, so that tests can hold them against Python's. */

import { cropFace, gridToPhoto } from "./geometry/align";
import { AreaTable } from "./geometry/area-table";
import { iou, regress, squared, suppress, windowOf } from "./geometry/boxes";
import { sample, spread, subsamples } from "./geometry/sampling";
import { inverse, similarity } from "./geometry/similarity";
import { findFaces, scales } from "./vision/cascade";
import { Classifier } from "./vision/classifier";
import { Tracker } from "./vision/tracker";

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
