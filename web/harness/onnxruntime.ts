// Runs ONNX files for `fer_export/runtimes/onnxruntime_web.py`: load by address, run, return outputs by name.

import * as ort from "onnxruntime-web/wasm";

import { decode, encode, type Fed, type Packed } from "./packed";

const sessions = new Map<string, ort.InferenceSession>();

/**
 * Open the ONNX file at `url`, and keep it under that address.
 *
 * @param wasmFolder Where onnxruntime's wasm file is.
 */
async function load(url: string, wasmFolder: string): Promise<void> {
  // One thread, as in a page that is not isolated; so neither workers nor a second script are loaded.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: `${wasmFolder}ort-wasm-simd-threaded.wasm` };
  sessions.set(url, await ort.InferenceSession.create(url, { executionProviders: ["wasm"] }));
}

/**
 * Run an open model.
 *
 * @param inputs Inputs by name, channels first; the name does not matter if there is only one.
 * @returns Outputs by name, in the model's own layout.
 */
async function run(url: string, inputs: Record<string, Fed>): Promise<Record<string, Packed>> {
  const session = sessions.get(url);
  if (!session) throw new Error(`no model ${url} is loaded`);
  const fed = Object.entries(inputs);
  const feeds = fed.map(([name, given]) => [
    fed.length === 1 ? session.inputNames[0] : name,
    new ort.Tensor(given.dtype, decode(given), given.shape),
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [name, { shape: [...dims], data: encode(data as Float32Array) }]),
  );
}

/** Free a model. */
async function unload(url: string): Promise<void> {
  await sessions.get(url)?.release();
  sessions.delete(url);
}

Object.assign(globalThis, { harness: { load, run, unload, version: ort.env.versions.web } });
