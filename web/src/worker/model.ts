import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";

import type { Contract } from "../contract";
import { readContract } from "../model-contract";
import type { PackedModel } from "../models";
import { anyNumber } from "../vision/batches";
import type { Answer, Net } from "../vision/net";

export interface Model {
  readonly contract: Contract;
  /** Whether the contract was checked against its own hash. */
  readonly hashed: boolean;
  readonly run: Net;
}

interface ModelJson {
  readonly modelTopology: object;
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
  const weightData = await bytes(packed.weights);
  const graph = await loadGraphModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData,
      signature: json.signature,
    }),
  );
  const run = runner(graph, json.signature, name);
  return { contract, hashed, run: contract.batch === "dynamic" ? run : anyNumber(run, contract.batch) };
}

function runner(graph: GraphModel, signature: ModelJson["signature"], name: string): Net {
  const input = Object.values(signature.inputs)[0]?.name;
  if (!input) throw new Error(`the ${name} has no input`);
  // execute() returns outputs in the order in which they are asked for; signatures have no order.
  const names = Object.keys(signature.outputs);
  const nodes = names.map((output) => signature.outputs[output]!.name);
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
