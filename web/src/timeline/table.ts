import type { Recorder } from "./recorder";

/** What identifies the model in what is saved. */
export interface Model {
  readonly weights_sha256: string;
  readonly architecture: string;
  readonly labels: readonly string[];
}

/** A row: seconds since the first sample, the person, what was shown, whether a resting face is taken off, and the probabilities in the order of the labels. */
interface Row {
  readonly seconds: number;
  readonly face: number;
  readonly shown: string;
  readonly certain: boolean;
  readonly rested: boolean;
  readonly probabilities: readonly number[];
}

/** All samples by time, then by person. */
function rows(recorder: Recorder, { labels }: Model): Row[] {
  const samples = [...recorder.people].flatMap(([face, list]) => list.map((sample) => ({ face, sample })));
  samples.sort((first, second) => first.sample.time - second.sample.time || first.face - second.face);
  const start = samples[0]?.sample.time ?? 0;
  return samples.map(({ face, sample }) => ({
    seconds: rounded((sample.time - start) / 1000, 3),
    face,
    shown: sample.shown,
    certain: sample.certain,
    rested: sample.rested,
    probabilities: labels.map((label) => rounded(sample.probabilities[label] ?? 0, 5)),
  }));
}

/** The samples as CSV (RFC 4180) with a column a label; `model` is the SHA-256 of the weights. */
export function asCsv(recorder: Recorder, model: Model): string {
  const head = ["seconds", "face", "shown", "certain", "rested", ...model.labels, "model"];
  const lines = rows(recorder, model).map((row) => [row.seconds, row.face, row.shown, row.certain, row.rested, ...row.probabilities, model.weights_sha256]);
  return [head, ...lines].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

/** The samples as JSON, with what identifies the model. */
export function asJson(recorder: Recorder, model: Model): string {
  const samples = rows(recorder, model).map(({ probabilities, ...row }) => ({
    ...row,
    probabilities: Object.fromEntries(model.labels.map((label, index) => [label, probabilities[index]])),
  }));
  return `${JSON.stringify({ model, samples }, null, 1)}\n`;
}

/** A cell of CSV. A label that a spreadsheet would take for a formula gets an apostrophe before it. */
function cell(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const plain = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
