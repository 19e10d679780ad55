import type { Provenance } from "../model-contract";
import type { ModelTest, Ready } from "../worker/protocol";
import { byId, make } from "./dom";

const NOT_HASHED = "not held against their hashes: browsers compute those only for pages from https, localhost or disk";

/** Where the model comes from and what was measured, as its contract says. */
export function showAbout({ classifier, detector, parity, hashed, passedOver }: Ready): void {
  const list = byId("provenance", HTMLDListElement);
  const { training, inputs: [input] } = classifier;
  const rows: [string, string][] = [
    ["Model", `${classifier.architecture.name}${input?.kind === "picture" ? `, ${input.width} × ${input.height} ${input.color}` : ""}, ${classifier.weights_dtype} weights`],
    ["Weights", `${classifier.license}; sha256 ${classifier.weights_sha256.slice(0, 16)}…`],
    ...(training ? [["Trained on", `${training.data}. ${training.protocol}. Recipe ${training.recipe}, seed ${training.seed}`] as [string, string]] : []),
    ...classifier.metrics.map(metricRow),
    ...classifier.parity.map((hop): [string, string] => [
      `Measured at export, ${hop.output}`,
      `${hop.runtime} within ${hop.max_abs.toExponential(1)} over ${hop.samples} pictures`,
    ]),
    ...parity.models.map(replayRow),
    ["Contracts", hashed ? "as they were written: their hashes match" : NOT_HASHED],
    ["Detector", `${detector.architecture.name.replace("_onet", "")}: ${detector.license}`],
    ...passedOver.map((line): [string, string] => ["Backend passed over", line]),
  ];
  list.replaceChildren(
    ...rows.map(([name, value]) => {
      const group = make("div");
      group.append(make("dt", "", name), make("dd", "", value));
      return group;
    }),
  );
  const note = byId("note", HTMLElement);
  const synthetic = training?.synthetic ?? false;
  note.hidden = !synthetic;
  note.textContent = synthetic ? "This model is for trying out: it was trained on drawn faces and knows no real one." : "";
}

function replayRow({ model, ok, samples, outputs }: ModelTest): [string, string] {
  const differences = outputs.map(({ output, maxAbs, limit }) => `${output} ${maxAbs.toExponential(1)} of ${limit.toExponential(0)} allowed`);
  return [`Replayed here, ${model}`, `${ok ? "matches" : "differs from"} PyTorch over ${samples} golden pictures: ${differences.join(", ")}`];
}

function metricRow({ name, value, split, protocol, samples }: Provenance["metrics"][number]): [string, string] {
  const shown = name === "accuracy" ? `${(value * 100).toFixed(1)} %` : value.toFixed(3);
  return [name.replaceAll("_", " "), `${shown} on ${split} (${samples} pictures; ${protocol})`];
}
