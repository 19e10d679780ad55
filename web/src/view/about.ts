import type { Contract } from "../contract";
import type { Provenance } from "../model-contract";
import type { ModelTest, OutputTest, Ready } from "../worker/protocol";
import { byId, make, percent, scientific } from "./dom";

const NOT_HASHED = "not held against their hashes: browsers compute those only for pages from https, localhost or disk";

type Row = readonly [name: string, value: string];

/** Show where the model comes from, what was measured, and what this browser made of it. */
export function showAbout({ classifier, detector, parity, hashed, passedOver }: Ready): void {
  const rows: Row[] = [
    ["Model", summary(classifier)],
    ["Weights", `${classifier.license}; sha256 ${classifier.weights_sha256.slice(0, 16)}…`],
    ...(classifier.training ? [trainingRow(classifier.training)] : []),
    ...classifier.metrics.map(metricRow),
    ...classifier.parity.map(measuredRow),
    ...parity.models.map(replayedRow),
    ["Contracts", hashed ? "as they were written: their hashes match" : NOT_HASHED],
    ["Detector", `${detector.architecture.name.replace("_onet", "")}: ${detector.license}`],
    ...passedOver.map((line): Row => ["Backend passed over", line]),
  ];
  byId("provenance", HTMLDListElement).replaceChildren(
    ...rows.map(([name, value]) => {
      const group = make("div");
      group.append(make("dt", "", name), make("dd", "", value));
      return group;
    }),
  );
  showNote(classifier.training?.synthetic ?? false);
}

/** The warning that hangs on `synthetic` alone: no other word of a contract says what the data were. */
function showNote(synthetic: boolean): void {
  const note = byId("note", HTMLElement);
  note.hidden = !synthetic;
  note.textContent = synthetic ? "This model is for trying out: it was trained on drawn faces and knows no real one." : "";
}

function summary({ architecture, inputs: [input], weights_dtype: dtype }: Provenance): string {
  const size = input?.kind === "picture" ? `, ${input.width} × ${input.height} ${input.color}` : "";
  return `${architecture.name}${size}, ${dtype} weights`;
}

function trainingRow({ data, protocol, recipe, seed }: NonNullable<Contract["training"]>): Row {
  return ["Trained on", `${data}: ${protocol}. Recipe ${recipe}, seed ${seed}`];
}

function metricRow({ name, value, split, protocol, samples }: Contract["metrics"][number]): Row {
  const shown = name === "accuracy" ? `${(value * 100).toFixed(1)} %` : value.toFixed(3);
  return [`Measured, ${name.replaceAll("_", " ")}`, `${shown} on ${split} (${samples} pictures; ${protocol})`];
}

function measuredRow({ output, runtime, max_abs: difference, samples }: Contract["parity"][number]): Row {
  return [`Measured at export, ${output}`, `${runtime} within ${scientific(difference, 1)} over ${samples} pictures`];
}

function replayedRow({ model, ok, samples, outputs }: ModelTest): Row {
  const verdict = `${ok ? "matches" : "differs from"} PyTorch over ${samples} golden pictures`;
  return [`Replayed here, ${model}`, `${verdict}: ${outputs.map(difference).join(", ")}`];
}

function difference({ output, maxAbs, limit, top1 }: OutputTest): string {
  const sign = maxAbs <= limit ? "≤" : ">";
  const top = top1 === null || top1 === 1 ? "" : ` (top class the same in ${percent(top1)})`;
  return `${output} ${scientific(maxAbs)}\u00a0${sign}\u00a0${scientific(limit)}${top}`;
}
