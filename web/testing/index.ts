/** The page's pure functions on the global `ferTesting`, so that tests can compare them with Python's. */

import { contentHash } from "../src/canonical";
import { cropFace, gridToPhoto } from "../src/geometry/align";
import { Areas } from "../src/geometry/areas";
import { iou, regress, squared, suppress, windowOf } from "../src/geometry/boxes";
import { sample, spread, subsamples } from "../src/geometry/sampling";
import { inverse, similarity } from "../src/geometry/similarity";
import { readContract } from "../src/model-contract";
import { Announcer } from "../src/steady/announcer";
import { Baseline, neutralOf } from "../src/steady/baseline";
import { doubtOf } from "../src/steady/doubt";
import { People } from "../src/steady/people";
import { Smoothing } from "../src/steady/smoothing";
import { Word, wordFor } from "../src/steady/word";
import { Recorder } from "../src/timeline/recorder";
import { asCsv, asJson } from "../src/timeline/table";
import { agreement, appearance } from "../src/vision/appearance";
import { assign } from "../src/vision/assignment";
import { anyNumber } from "../src/vision/batches";
import { findFaces } from "../src/vision/cascade";
import { Classifier } from "../src/vision/classifier";
import { cuts } from "../src/vision/cuts";
import { Explainer } from "../src/vision/explainer";
import { lightOf } from "../src/vision/light";
import { Motion } from "../src/vision/motion";
import { portions, pyramid, scales } from "../src/vision/pyramid";
import { quality } from "../src/vision/quality";
import { Readings } from "../src/vision/readings";
import { Search } from "../src/vision/search";
import { Tracker } from "../src/vision/tracker";
import { PixelReader } from "../src/worker/pixel-reader";
import { selfTest } from "../src/worker/self-test";

Object.assign(globalThis, {
  ferTesting: {
    Announcer,
    Areas,
    Baseline,
    Classifier,
    Explainer,
    Motion,
    People,
    PixelReader,
    Readings,
    Recorder,
    Search,
    Smoothing,
    Tracker,
    Word,
    agreement,
    anyNumber,
    appearance,
    asCsv,
    asJson,
    assign,
    contentHash,
    cropFace,
    cuts,
    doubtOf,
    findFaces,
    gridToPhoto,
    inverse,
    iou,
    lightOf,
    neutralOf,
    portions,
    pyramid,
    quality,
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
    wordFor,
  },
});
