// Runs TF.js graph models for `fer_export/runtime/tfjs.py`: load by address, execute, answer by name.

import * as tf from "@tensorflow/tfjs-core";
import { type GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-webgl";

interface Answer {
  shape: number[];
  /** Little-endian float32, base64. */
  data: string;
}

interface Signature {
  outputs: Record<string, { name: string }>;
}

const models = new Map<string, GraphModel>();

/** Switch to a backend and say which one is really active; `wasmFolder` is where tfjs's wasm files are. */
async function setup(backend: string, wasmFolder: string): Promise<string> {
  setWasmPaths(wasmFolder);
  await tf.setBackend(backend);
  await tf.ready();
  return tf.getBackend();
}

/** Load the graph model at `url` with TF.js's own loader, and keep it under that name. */
async function load(url: string): Promise<void> {
  models.set(url, await loadGraphModel(url));
}

/**
 * Run a loaded model.
 *
 * @param shape of the input, channels last
 * @param data little-endian float32, base64
 * @returns outputs by the names of the model's signature
 */
async function run(url: string, shape: number[], data: string): Promise<Record<string, Answer>> {
  const model = models.get(url);
  if (!model) throw new Error(`no model ${url} is loaded`);
  // `modelSignature` is typed as an empty object; it is model.json's `signature`.
  const { outputs } = model.modelSignature as Signature;
  const input = tf.tensor(decode(data), shape, "float32");
  const names = Object.keys(outputs);
  // execute() answers in the order of the names that it is given.
  const result = await model.executeAsync(input, names.map((name) => outputs[name]?.name ?? name));
  const tensors = Array.isArray(result) ? result : [result];
  const answers: Record<string, Answer> = {};
  for (const [index, name] of names.entries()) {
    const tensor = tensors[index];
    if (!tensor) throw new Error(`no output ${name}`);
    answers[name] = { shape: tensor.shape, data: encode((await tensor.data()) as Float32Array) };
  }
  tf.dispose([input, ...tensors]);
  return answers;
}

/** Free a model. */
function unload(url: string): void {
  models.get(url)?.dispose();
  models.delete(url);
}

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function encode(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

Object.assign(globalThis, { harness: { setup, load, run, unload, version: tf.version_core } });
