import type { BackendName, SelfTest } from "../worker/protocol";

/** What was measured of a backend. */
export interface Measured {
  readonly backend: BackendName;
  /** What the pictures took, in milliseconds, ascending. */
  readonly milliseconds: readonly number[];
  readonly parity: SelfTest;
  /** How many faces were found and read in the picture. */
  readonly faces: number;
  /** The classifier: its architecture and the beginning of its weights' hash. */
  readonly model: string;
}

/** A backend that cannot be had here, or that fails. */
export interface Missing {
  readonly backend: BackendName;
  /** Why, in words for the user, the backend's name among them. */
  readonly missing: string;
}

export type Measurement = Measured | Missing;

/** Whether there is something to compare: the backend works here, whether its numbers are right or not. */
export function works(measurement: Measurement): measurement is Measured {
  return "milliseconds" in measurement;
}

/** The time that a share of the pictures did not exceed, 0–1, by the nearest rank. */
export function quantile({ milliseconds }: Measured, share: number): number {
  return milliseconds[Math.max(0, Math.ceil(share * milliseconds.length) - 1)] ?? 0;
}

export function median(measured: Measured): number {
  return quantile(measured, 0.5);
}

/** The fastest backend of those whose numbers match PyTorch's; null where none does. */
export function fastest(measurements: readonly Measurement[]): BackendName | null {
  const [best] = measurements.filter(works).filter(({ parity }) => parity.ok).sort((a, b) => median(a) - median(b));
  return best?.backend ?? null;
}
