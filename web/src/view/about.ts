import type { Contract } from "../contract";
import type { Provenance } from "../model-contract";
import { texts } from "../texts";
import type { ModelTest, OutputTest, Ready } from "../worker/protocol";
import { byId, make, percent, scientific } from "./dom";

const { about } = texts;

type Row = readonly [name: string, value: string];

/** Show where the model comes from, what was measured, and what this browser made of it. */
export function showAbout({ classifier, detector, parity, hashed, passedOver }: Ready): void {
  const rows: Row[] = [
    [about.model, summary(classifier)],
    [about.weights, `${classifier.license}; sha256 ${classifier.weights_sha256.slice(0, 16)}…`],
    ...(classifier.training ? [trainingRow(classifier.training)] : []),
    ...classifier.metrics.map(metricRow),
    ...classifier.parity.map(measuredRow),
    ...parity.models.map(replayedRow),
    [about.contracts, hashed ? about.hashed : about.notHashed],
    [about.detector, `${detector.architecture.name.replace("_onet", "")}: ${detector.license}`],
    ...passedOver.map((line): Row => [about.passedOver, line]),
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
  note.textContent = synthetic ? about.synthetic : "";
}

function summary({ architecture, inputs: [input], weights_dtype: dtype }: Provenance): string {
  const size = input?.kind === "picture" ? `, ${input.width} × ${input.height} ${input.color}` : "";
  return `${architecture.name}${size}, ${about.dtype(dtype)}`;
}

function trainingRow({ data, protocol, recipe, seed }: NonNullable<Contract["training"]>): Row {
  return [about.trainedOn, about.trained(data, protocol, recipe, seed)];
}

function metricRow({ name, value, split, protocol, samples }: Contract["metrics"][number]): Row {
  const shown = name === "accuracy" ? `${(value * 100).toFixed(1)} %` : value.toFixed(3);
  return [about.measured(name.replaceAll("_", " ")), about.figure(shown, split, samples, protocol)];
}

function measuredRow({ output, runtime, max_abs: difference, samples }: Contract["parity"][number]): Row {
  return [about.atExport(output), about.within(runtime, scientific(difference, 1), samples)];
}

function replayedRow({ model, ok, samples, outputs }: ModelTest): Row {
  return [about.replayed(model), `${about.verdict(ok, samples)}: ${outputs.map(difference).join(", ")}`];
}

function difference({ output, maxAbs, limit, top1 }: OutputTest): string {
  const sign = maxAbs <= limit ? "≤" : ">";
  const top = top1 === null || top1 === 1 ? "" : ` (${about.sameTop(percent(top1))})`;
  return `${output} ${scientific(maxAbs)}\u00a0${sign}\u00a0${scientific(limit)}${top}`;
}
