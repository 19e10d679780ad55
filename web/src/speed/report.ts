import { texts } from "../texts";
import { english, type Texts } from "../texts/english";
import { scientific } from "../view/dom";
import type { SelfTest } from "../worker/protocol";
import { type Measurement, median, quantile, timed } from "./measurement";
import type { PictureName } from "./picture";

/** All backends as they were measured, one after the other, and what is to be known of it. */
export interface Report {
  readonly measurements: readonly Measurement[];
  readonly picture: PictureName;
  /** Whether a camera or a video was read meanwhile, which makes the figures worse. */
  readonly disturbed: boolean;
}

/** One backend in a line. */
export function line(measurement: Measurement): string {
  if ("missing" in measurement) return measurement.missing;
  const { backend, parity } = measurement;
  const speed = timed(measurement) ? `${time(median(measurement))}\u00a0ms, ` : `${texts.speed.refused}: `;
  return `${backend}: ${speed}${verdict(texts, parity, scientific)}`;
}

/** All of a report as plain text, in English, since it is pasted where others read it. */
export function asText({ measurements, picture, disturbed }: Report): string {
  const faces = measurements.find(timed)?.faces ?? 0;
  const model = measurements.find((measurement) => "model" in measurement)?.model ?? "could not be read";
  return [
    `fer-export, time to search ${english.speed.pictures[picture]} and read its expressions (faces found: ${faces})`,
    `Browser: ${navigator.userAgent}`,
    `Cores: ${navigator.hardwareConcurrency}`,
    `Model: ${model}`,
    ...(disturbed ? ["A camera or a video was read meanwhile, which makes these figures worse."] : []),
    ...measurements.map(inFull),
    "",
  ].join("\n");
}

function inFull(measurement: Measurement): string {
  if ("missing" in measurement) return measurement.missing;
  const { backend, parity } = measurement;
  if (!timed(measurement)) return `${backend}: refused: ${verdict(english, parity, plain)}`;
  const [half, most] = [median(measurement), quantile(measurement, 0.9)].map(time);
  return `${backend}: median ${half} ms, 90th percentile ${most} ms of ${measurement.milliseconds.length} pictures; ${verdict(english, parity, plain)}`;
}

/** How a backend's numbers compare with PyTorch's. */
function verdict({ speed }: Texts, { ok, maxAbs }: SelfTest, written: (value: number) => string): string {
  return (ok ? speed.matches : speed.differs)(written(maxAbs));
}

/** A number by its order of magnitude, as programs read it. */
function plain(value: number): string {
  return value.toExponential(0);
}

/** Milliseconds with as many digits as mean something. */
function time(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
}
