import type { BackendName, SelfTest } from "../worker/protocol";

/** A backend that works here. */
interface Working {
  readonly backend: BackendName;
  readonly parity: SelfTest;
  /** The classifier: its architecture and the beginning of its weights' hash. */
  readonly model: string;
}

/** What was measured of a backend whose numbers match PyTorch's. */
export interface Measured extends Working {
  /** What the pictures took, in milliseconds, ascending. */
  readonly milliseconds: readonly number[];
  /** How many faces were found and read in the picture. */
  readonly faces: number;
}

/** A backend whose numbers differ: how fast it is does not matter, and what it finds neither. */
export type Refused = Working;

/** A backend that cannot be had here, or that fails. */
export interface Missing {
  readonly backend: BackendName;
  /** Why, in words for the user, the backend's name among them. */
  readonly missing: string;
}

export type Measurement = Measured | Refused | Missing;

/** Whether a backend was timed. */
export function timed(measurement: Measurement): measurement is Measured {
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
  const [best] = measurements.filter(timed).sort((a, b) => median(a) - median(b));
  return best?.backend ?? null;
}
