import type { SelfTest } from "../worker/protocol";
import { type Measurement, median, quantile, works } from "./measurement";

/** All backends as they were measured, one after the other, and what is to be known of it. */
export interface Report {
  readonly measurements: readonly Measurement[];
  /** The picture's name. */
  readonly picture: string;
  /** Whether a camera or a video was read meanwhile, which makes the figures worse. */
  readonly disturbed: boolean;
}

/** One backend in a line. */
export function line(measurement: Measurement): string {
  if (!works(measurement)) return measurement.missing;
  const { backend, parity } = measurement;
  if (!parity.ok) return `${backend}: refused: ${verdict(parity)}`;
  return `${backend}: ${time(median(measurement))} ms, ${verdict(parity)}`;
}

/** All of a report as plain text, to be pasted elsewhere. */
export function asText({ measurements, picture, disturbed }: Report): string {
  const { faces, model } = measurements.find(works) ?? { faces: 0, model: "could not be read" };
  return [
    `fer-export, time to search ${picture} and read its expressions (faces found: ${faces})`,
    `Browser: ${navigator.userAgent}`,
    `Cores: ${navigator.hardwareConcurrency}`,
    `Model: ${model}`,
    ...(disturbed ? ["A camera or a video was read meanwhile, which makes these figures worse."] : []),
    ...measurements.map(inFull),
    "",
  ].join("\n");
}

function inFull(measurement: Measurement): string {
  if (!works(measurement)) return measurement.missing;
  const { backend, milliseconds, parity } = measurement;
  const [half, most] = [median(measurement), quantile(measurement, 0.9)].map(time);
  const refused = parity.ok ? "" : "refused: ";
  return `${backend}: median ${half} ms, 90th percentile ${most} ms of ${milliseconds.length} pictures; ${refused}${verdict(parity)}`;
}

/** How a backend's numbers compare with PyTorch's. */
function verdict({ ok, maxAbs }: SelfTest): string {
  const by = maxAbs.toExponential(0);
  return ok ? `matches PyTorch within ${by}` : `differs from PyTorch by ${by}`;
}

/** Milliseconds with as many digits as mean something. */
export function time(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
}
