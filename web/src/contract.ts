// Written by `make contract-types` from the JSON schema of fer_export/contract: do not edit.

/**
 * Name an architecture and the arguments that its factory was called with.
 *
 * The name is a registered one, `torchvision:NAME`, or, for code outside this project, `file.py:factory` or
 * `package.module:factory`. Such code is never imported just because a contract names it.
 */
export interface Architecture {
  readonly name: string;
  readonly arguments: Readonly<Record<string, number | string | boolean | readonly number[]>>;
}

/**
 * Hold the number that divides the logits before softmax, inside the graph (Guo et al. 2017), and its effect.
 *
 * `ece` is the expected calibration error, 0–1, over 15 bins of equal width: at temperature 1, and at
 * temperatures fitted without the rows that they are measured on.
 */
export interface Calibration {
  readonly temperature: number;
  readonly ece_before: number;
  readonly ece_after: number;
  readonly split: string;
  readonly protocol: string;
  readonly samples: number;
}

/** Hold MTCNN's settings (Zhang et al. 2016), which are the same in Python and on the page. */
export interface Cascade {
  readonly stage: "pnet" | "rnet" | "onet";
  readonly min_face: number;
  readonly factor: number;
  readonly thresholds: readonly [number, number, number];
}

/**
 * Say how an artefact was made.
 *
 * Attributes:
 *     hop: the hop that wrote this file.
 *     converter: what made the TensorFlow graph from the ONNX file; None where there is no such graph.
 *     without: the passes of the direct converter that were left out.
 */
export interface Conversion {
  readonly hop: "onnx" | "tfjs" | "saved_model" | "frozen" | "litert" | "tensorflowjs";
  readonly converter: "direct" | "onnx2tf" | "onnx-tf" | null;
  readonly without: readonly string[];
}

/**
 * Say how a face gets from a photo onto the input grid.
 *
 * `template` holds where the five landmarks (left eye, right eye, nose, left and right mouth
 * corner, as seen in the picture) go on the input grid, in pixels; a least-squares similarity
 * (Umeyama 1991) maps the face there. Without landmarks, the square around the detector's box is used,
 * enlarged by `margin` of its side. `sampling` names the rule in `fer_export/faces/sampling.py`.
 */
export interface Crop {
  readonly template: readonly [readonly [number, number], readonly [number, number], readonly [number, number], readonly [number, number], readonly [number, number]];
  readonly margin: number;
  readonly sampling: "area-bilinear/1";
  readonly gray: "bt601";
}

/**
 * Hold one picture and torch's outputs for it, so that any runtime can test itself.
 *
 * `pixels` is base64 of uint8 in the order H, W, C; `outputs` are by name, flattened, channels last.
 */
export interface Golden {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly pixels: string;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/** Hold one measured figure: what was measured, on which rows, by which protocol, over how many. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly split: string;
  readonly protocol: string;
  readonly samples: number;
}

/** Hold mean and deviation of each channel, in units of 0–255: the graph computes (pixel - mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly where: "graph";
}

/** Describe one named output; `shape` is without the batch, channels last as in TF.js, 0 for a free size. */
export interface Output {
  readonly name: string;
  readonly shape: readonly number[];
  readonly meaning: string;
}

/**
 * Hold what a hop measured when it wrote this artefact: a runtime against a reference.
 *
 * `max_abs` was at most `tolerance` · `scale`, where `scale` is max(1, largest |reference| / unit); see
 * `contract/tolerance.py`. The first files of contract 1 have no `scale`, since they were checked against `tolerance`
 * alone; for them the default of 1 is right.
 */
export interface Parity {
  readonly runtime: string;
  readonly reference: string;
  readonly output: string;
  readonly max_abs: number;
  readonly rmse: number;
  readonly cosine: number;
  readonly top1: number | null;
  readonly samples: number;
  readonly tolerance: number;
  readonly scale: number;
}

/**
 * Describe an input that takes a picture with values of 0–255; `normalization` is applied inside the graph.
 *
 * ONNX and torch take it as [N, C, H, W], TensorFlow and TF.js as [N, H, W, C]. Height and width are both numbers,
 * or both None where any size is accepted.
 */
export interface PictureInput {
  readonly kind: "picture";
  readonly name: string;
  readonly height: number | null;
  readonly width: number | null;
  readonly channels: number;
  readonly color: "gray" | "rgb" | "bgr" | "planes";
  readonly normalization: Normalization;
}

/**
 * Hold the largest difference that parity and the page's self-test allow.
 *
 * A value of an output may differ from the reference by `value` · max(1, largest |reference| of that output / `unit`),
 * where the maximum is over all pictures compared. `top1` is the share of pictures whose top class must be the same.
 */
export interface Tolerance {
  readonly value: number;
  readonly unit: number;
  readonly top1: number;
}

/**
 * Say where the weights come from.
 *
 * `synthetic` is true where a program drew the training data, so that the net knows nothing of the real world. The
 * page warns of such models, and of no others.
 */
export interface Training {
  readonly data: string;
  readonly protocol: string;
  readonly recipe: string;
  readonly seed: number;
  readonly epochs: number;
  readonly note: string;
  readonly synthetic: boolean;
}

/**
 * Describe an input that takes numbers which are no picture; they are not normalised.
 *
 * `shape` leaves out the batch and has channels first: [] for one number, [C] for a vector, [C, L] for a signal,
 * [C, D, H, W] for a volume. TensorFlow and TF.js take it channels last. `range` is the range of the random values
 * that parity is measured with, both ends included.
 */
export interface ValuesInput {
  readonly kind: "values";
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "int64" | "bool";
  readonly range: readonly [number, number];
}

/**
 * Hold everything an artefact says about itself.
 *
 * Attributes:
 *     version: raised when a field changes its meaning; a new field does not raise it.
 *     labels: the classes' names; empty where the net is no classifier.
 *     inputs: the inputs in the order of the net's arguments.
 *     batch: the batch that this file takes; a checkpoint's is always dynamic.
 *     crop: how a face gets onto the first input's grid; None where that is not a picture of a face.
 *     cascade: the detector's settings; only its three nets have them.
 *     training: where the weights come from; None for weights that somebody else trained.
 *     weights_sha256: the hash of the tensors of the original checkpoint (`formats/checkpoint.py`).
 *     weights_dtype: the type in which this file stores the weights.
 *     graph_sha256: the hash of the graph in this file; None in checkpoints.
 *     conversion: how this file was made; None in checkpoints.
 *     tolerance: the tolerance that this file was checked against.
 *     tools: name and version of the programs that took part, for people to read; no code depends on it.
 *     golden: pictures with torch's outputs, where the net has one input and that is a picture.
 *     parity: what was measured when this file was written.
 */
export interface Contract {
  readonly version: 2;
  readonly architecture: Architecture;
  readonly labels: readonly string[];
  readonly inputs: readonly (PictureInput | ValuesInput)[];
  readonly batch: "dynamic" | number;
  readonly crop: Crop | null;
  readonly cascade: Cascade | null;
  readonly outputs: readonly Output[];
  readonly training: Training | null;
  readonly metrics: readonly Metric[];
  readonly calibration: Calibration | null;
  readonly license: string;
  readonly weights_sha256: string;
  readonly weights_dtype: "float32" | "float16" | "uint8";
  readonly graph_sha256: string | null;
  readonly conversion: Conversion | null;
  readonly tolerance: Tolerance;
  readonly tools: Readonly<Record<string, string>>;
  readonly golden: readonly Golden[];
  readonly parity: readonly Parity[];
  /** Hash all other fields; see `contract/canonical.py`. */
  readonly sha256: string;
}
