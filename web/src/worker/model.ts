import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";

import type { Contract } from "../contract";
import { readContract } from "../model-contract";
import type { PackedModel } from "../models";
import { anyNumber } from "../vision/batches";
import type { Answer, Net } from "../vision/net";
import type { GraphNode } from "../vision/cuts";
import type { Graph } from "../vision/split";

export interface Model {
  readonly contract: Contract;
  /** Whether the contract was checked against its own hash. */
  readonly hashed: boolean;
  readonly run: Net;
  readonly graph: Graph;
}

interface ModelJson {
  readonly modelTopology: { readonly node?: readonly GraphNode[] };
  readonly weightsManifest: readonly { readonly weights: tf.io.WeightsManifestEntry[] }[];
  readonly signature: {
    readonly inputs: Readonly<Record<string, { readonly name: string }>>;
    readonly outputs: Readonly<Record<string, { readonly name: string }>>;
  };
  readonly userDefinedMetadata?: Record<string, unknown>;
}

/**
 * Load a model.
 *
 * @param packed The text of model.json, and all shards as base64.
 * @param name The model's name, for errors.
 * @throws Error The contract is missing, edited or of another version, or tfjs cannot read the graph.
 */
export async function loadModel(packed: PackedModel, name: string): Promise<Model> {
  const json = JSON.parse(packed.json) as ModelJson;
  const { contract, hashed } = await readContract(json, name);
  // Without the weights, which tfjs takes out of the nodes.
  const nodes = (json.modelTopology.node ?? []).map(({ name, op, input = [] }) => ({ name, op, input }));
  const weightData = await bytes(packed.weights);
  const graph = await loadGraphModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData,
      signature: json.signature,
    }),
  );
  const input = Object.values(json.signature.inputs)[0]?.name;
  if (!input) throw new Error(`the ${name} has no input`);
  const outputs = Object.fromEntries(Object.entries(json.signature.outputs).map(([output, node]) => [output, node.name]));
  const part: Graph["part"] = (from, to) => {
    const run = runner(graph, from, to, name);
    return contract.batch === "dynamic" ? run : anyNumber(run, contract.batch);
  };
  return { contract, hashed, run: part(input, outputs), graph: { nodes, input, outputs, part } };
}

function runner(graph: GraphModel, input: string, outputs: Readonly<Record<string, string>>, name: string): Net {
  // execute() returns outputs in the order in which they are asked for; signatures have no order.
  const names = Object.keys(outputs);
  const nodes = Object.values(outputs);
  return (pixels, shape) => {
    // tf.tidy would search the returned arrays for tensors, number by number.
    tf.engine().startScope(name);
    try {
      const answers = graph.execute({ [input]: tf.tensor4d(pixels, [...shape]) }, nodes);
      const list = Array.isArray(answers) ? answers : [answers];
      return Object.fromEntries(
        list.map((tensor, index): [string, Answer] => [
          names[index]!,
          { data: tensor.dataSync<"float32">(), shape: tensor.shape },
        ]),
      );
    } finally {
      tf.engine().endScope();
    }
  };
}

/** Decode base64 with `fetch` of a data: URL, which is several times faster than `atob`. */
async function bytes(base64: string): Promise<ArrayBuffer> {
  const response = await fetch(`data:application/octet-stream;base64,${base64}`);
  return response.arrayBuffer();
}
