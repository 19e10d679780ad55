// Runs TF.js graph models for `fer_export/runtimes/tfjs.py`: load by address, execute, return outputs by name.

import * as tf from "@tensorflow/tfjs-core";
import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-webgl";
import "@tensorflow/tfjs-backend-webgpu";

import { decode, encode, type Fed, type Packed } from "./packed";

/** A loaded model by its address, and its inputs by name, channels last; the name does not matter if there is only one. */
type Job = [url: string, inputs: Record<string, Fed>];

/** WebGPU may wait for ever for a device that was lost; the other backends compute on this thread, and end. */
const PATIENCE_MS = 300_000;

interface Signature {
  outputs: Record<string, { name: string }>;
}

const models = new Map<string, GraphModel>();

/** Switch to a backend and say which one is really active; `wasmFolder` is where tfjs's wasm files are. */
async function setup(backend: string, wasmFolder: string): Promise<string> {
  setWasmPaths(wasmFolder);
  // No threads, as in the page, which cannot have them.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend(backend);
  await tf.ready();
  return tf.getBackend();
}

/** Load the graph model at `url` with TF.js's own loader, and keep it under that address. */
async function load(url: string): Promise<void> {
  models.set(url, await loadGraphModel(url));
}

/**
 * Run a loaded model.
 *
 * @returns outputs by the names of the model's signature
 */
async function run(...job: Job): Promise<Record<string, Packed>> {
  const { model, input, names, nodes } = prepare(...job);
  const result = await patiently(model.executeAsync(input, nodes));
  const tensors = Array.isArray(result) ? result : [result];
  const answers: Record<string, Packed> = {};
  for (const [index, name] of names.entries()) {
    const tensor = tensors[index];
    if (!tensor) throw new Error(`no output ${name}`);
    answers[name] = { shape: tensor.shape, data: encode(Float32Array.from(await patiently(tensor.data<"float32">()))) };
  }
  tf.dispose([input, tensors]);
  return answers;
}

/** Return a promise that rejects when `promise` has not settled after `PATIENCE_MS`. */
function patiently<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer for ${PATIENCE_MS / 60_000} minutes`)), PATIENCE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Run loaded models in turn: first, second, first, second, and so on.
 *
 * @param turns how often each
 * @returns for each job, when its executions began and ended, in milliseconds; outputs are read back by then
 */
function time(jobs: Job[], turns: number): [number, number][][] {
  const ready = jobs.map((job) => prepare(...job));
  const spans = ready.map((): [number, number][] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [index, { model, input, nodes }] of ready.entries()) {
      const start = performance.now();
      const result = model.execute(input, nodes);
      const tensors = Array.isArray(result) ? result : [result];
      for (const tensor of tensors) tensor.dataSync();
      spans[index]?.push([start, performance.now()]);
      tf.dispose(tensors);
    }
  }
  tf.dispose(ready.map(({ input }) => input));
  return spans;
}

function prepare(...[url, inputs]: Job) {
  const model = models.get(url);
  if (!model) throw new Error(`no model ${url} is loaded`);
  // `modelSignature` is typed as an empty object; it is model.json's `signature`.
  const { outputs } = model.modelSignature as Signature;
  const names = Object.keys(outputs);
  // execute() returns outputs in the order of the nodes that it is given.
  const nodes = names.map((name) => outputs[name]?.name ?? name);
  const fed = Object.entries(inputs).map(([name, given]) => [name, tensor(given)] as const);
  const [single] = fed;
  return { model, names, nodes, input: fed.length === 1 && single ? single[1] : Object.fromEntries(fed) };
}

/** Make a tensor of fed values. TF.js has no 64-bit integers; the exporter has checked that they fit into 32 bits. */
function tensor(given: Fed): tf.Tensor {
  const values = decode(given);
  return values instanceof BigInt64Array
    ? tf.tensor(Int32Array.from(values, Number), given.shape, "int32")
    : tf.tensor(values, given.shape, given.dtype as "float32" | "int32" | "bool");
}

/** Return the name of WebGL's renderer; empty where the browser does not give it. */
function renderer(): string {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  return gl && info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
}

/** How many tensors are alive, weights among them. */
function tensors(): number {
  return tf.memory().numTensors;
}

/** Free a model. */
function unload(url: string): void {
  models.get(url)?.dispose();
  models.delete(url);
}

Object.assign(globalThis, { harness: { setup, load, run, time, renderer, tensors, unload, version: tf.version_core } });
