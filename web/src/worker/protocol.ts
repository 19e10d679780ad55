/** The messages between the page and its worker. */

import type { PictureInput } from "../contract";
import type { Models } from "../models";
import type { Provenance } from "../model-contract";
import type { Box, Landmarks } from "../geometry/types";
import type { Heat } from "../vision/explainer";
import type { Light } from "../vision/light";
import type { Quality } from "../vision/quality";

export type BackendName = "wasm" | "webgl" | "cpu";
export type Mode = "camera" | "picture";

/** To the worker, once: the models, and the only backend to use; null takes the first that works. */
export interface Start {
  readonly kind: "start";
  readonly backend: BackendName | null;
  readonly models: Models;
}

/**
 * To the worker: one picture, whose ownership moves to it. `fresh` forgets earlier faces, and numbers begin at 1 again;
 * `time` is when the picture was taken, in milliseconds of its source.
 */
export interface Look {
  readonly kind: "look";
  readonly id: number;
  readonly bitmap: ImageBitmap;
  readonly mode: Mode;
  readonly fresh: boolean;
  /** Whether a face counts when it is first seen, since the picture stands still; otherwise it has to be seen again. */
  readonly still: boolean;
  readonly time: number;
}

/** To the worker: from where in the last crop of this face the class is read; may be asked while a picture is in flight. */
export interface Explain {
  readonly kind: "explain";
  readonly id: number;
  readonly track: number;
  /** The class's place in the contract's labels. */
  readonly label: number;
}

export type Request = Start | Look | Explain;

/** From the worker, while it starts: what share of that is done, 0–1. */
export interface Progress {
  readonly kind: "progress";
  readonly done: number;
}

/** How the models' outputs on this backend compare with torch's, for the golden pictures in their contracts. */
export interface SelfTest {
  readonly ok: boolean;
  /** The largest absolute difference of any value; `Infinity` where a net returned NaN. */
  readonly maxAbs: number;
  /** How many golden pictures were compared. */
  readonly samples: number;
  readonly models: readonly ModelTest[];
}

export interface ModelTest {
  readonly model: string;
  readonly ok: boolean;
  readonly maxAbs: number;
  readonly samples: number;
  readonly outputs: readonly OutputTest[];
}

export interface OutputTest {
  readonly output: string;
  readonly ok: boolean;
  readonly maxAbs: number;
  /** The largest difference allowed: the contract's tolerance times the output's own scale. */
  readonly limit: number;
  /** Share of golden pictures whose top class is the same, 0–1; null for outputs that are not by label. */
  readonly top1: number | null;
}

/** From the worker: it can look at pictures now. */
export interface Ready {
  readonly kind: "ready";
  readonly backend: BackendName;
  /** Why faster backends were passed over, one line each. */
  readonly passedOver: readonly string[];
  readonly parity: SelfTest;
  /** Whether all contracts were checked against their own hashes. */
  readonly hashed: boolean;
  readonly classifier: Provenance;
  readonly detector: Provenance;
  readonly tensors: number;
}

/** A face with all that is known about it; coordinates in pixels of the picture that was sent. */
export interface Reading {
  readonly box: Box;
  readonly score: number;
  readonly landmarks: Landmarks | null;
  readonly track: number;
  /** 0–1, in the order of the contract's labels. */
  readonly probabilities: readonly number[];
  readonly quality: Quality;
}

/** The time that each stage of one picture took, in milliseconds. */
export interface Stages {
  /** Bringing the pixels from the bitmap into memory. */
  readonly pixels: number;
  /** Finding and following faces. */
  readonly faces: number;
  /** Cropping faces and keeping track of whose they are. */
  readonly people: number;
  /** Reading expressions, and what the faces' pictures are like. */
  readonly expressions: number;
}

/** From the worker: the faces in a picture. */
export interface Sight {
  readonly kind: "sight";
  readonly id: number;
  readonly width: number;
  readonly height: number;
  readonly faces: readonly Reading[];
  /** The numbers of faces that are out of sight and may come back. */
  readonly waiting: readonly number[];
  /** What is wrong with the light of a picture in which no face was found; null where nothing is, and where there are faces. */
  readonly light: Light | null;
  /** Live tensors afterwards, the models' weights among them. */
  readonly tensors: number;
  /** The time taken inside the worker. */
  readonly milliseconds: number;
  /** What of that went where. */
  readonly stages: Stages;
  /** Whether the picture was searched for new faces, or a part of it; if not, known faces were followed alone. */
  readonly searched: boolean;
}

/** From the worker: what the net saw of a face, and from where in it a class is read. */
export interface Explanation {
  readonly kind: "explanation";
  readonly id: number;
  readonly track: number;
  readonly label: number;
  /** The net's input: channels last, 0–255. */
  readonly crop: { readonly values: Float32Array; readonly height: number; readonly width: number; readonly color: PictureInput["color"] };
  /** Null where the net keeps no map of the picture. */
  readonly heat: Heat | null;
}

/** From the worker: starting (id null), looking at picture `id` or explaining failed. */
export interface Failed {
  readonly kind: "failed";
  readonly id: number | null;
  readonly reason: string;
  /** Whether that is because none of the script's backends works here. */
  readonly noBackend: boolean;
}

export type Reply = Progress | Ready | Sight | Explanation | Failed;
