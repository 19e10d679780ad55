import type { Landmarks } from "./geometry/types";

/**
 * The contract that every model carries: fer_export/contract.py's record, as far as the page reads
 * it. The page knows no label, size, threshold or template of its own.
 */

/** The key in model.json's `userDefinedMetadata`. */
export const KEY = "fer_export.contract";
const VERSION = 1;

export interface Input {
  readonly height: number | null;
  readonly width: number | null;
  readonly channels: number;
  readonly color: "gray" | "rgb" | "bgr" | "planes" | "values";
}

export interface Crop {
  /** Where the landmarks go on the input grid, in its pixels. */
  readonly template: Landmarks;
  /** By how much the square around a box grows, as a part of its side. */
  readonly margin: number;
  readonly sampling: string;
}

export interface Cascade {
  readonly stage: "pnet" | "rnet" | "onet";
  /** In pixels. */
  readonly min_face: number;
  readonly factor: number;
  readonly thresholds: readonly [number, number, number];
}

export interface Golden {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  /** base64 of uint8, H · W · C. */
  readonly pixels: string;
  /** By name, flattened, channels last. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly split: string;
  readonly protocol: string;
  readonly samples: number;
}

export interface Hop {
  readonly runtime: string;
  readonly output: string;
  readonly max_abs: number;
  readonly samples: number;
  readonly tolerance: number;
}

export interface Training {
  readonly data: string;
  readonly protocol: string;
  readonly recipe: string;
  readonly seed: number;
  readonly epochs: number;
  readonly note: string;
}

export type Precision = "float32" | "float16" | "uint8";

export interface Contract {
  readonly version: 1;
  readonly architecture: { readonly name: string };
  readonly labels: readonly string[];
  readonly input: Input;
  readonly more_inputs: readonly Input[];
  readonly crop: Crop | null;
  readonly cascade: Cascade | null;
  readonly outputs: readonly { readonly name: string }[];
  readonly training: Training | null;
  readonly metrics: readonly Metric[];
  readonly license: string;
  readonly weights_sha256: string;
  readonly weights_dtype: Precision;
  readonly golden: readonly Golden[];
  readonly parity: readonly Hop[];
}

/** What the view is told about a model: its contract without the golden pictures. */
export type Provenance = Omit<Contract, "golden">;

/**
 * The contract in a model.json.
 *
 * Python validated every field when it wrote the file; here it is enough to tell that it is a
 * contract, and one of a version that this page can read.
 *
 * @param where What is being read, for the error.
 * @throws Error No contract, or another version.
 */
export function readContract(model: { userDefinedMetadata?: unknown }, where: string): Contract {
  const metadata = model.userDefinedMetadata as Record<string, unknown> | undefined;
  const found = metadata?.[KEY];
  const contract = (typeof found === "string" ? JSON.parse(found) : found) as Contract | undefined;
  if (!contract) throw new Error(`the ${where} carries no contract`);
  if (contract.version !== VERSION) {
    throw new Error(`the ${where} has a contract of version ${String(contract.version)}; this page reads ${VERSION}`);
  }
  return contract;
}
