// Runs TF.js graph models in Node, on the wasm backend that the page uses, all in one go.
//
// Usage: node runner.cjs WEB JOBS.jsonl JOBS.bin > RESULTS.jsonl
//
// A line of JOBS.jsonl is one model with one set of inputs; JOBS.bin holds weights and inputs.

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");

const [web, jobsFile, blobFile] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(web), "package.json"));
const tf = load("@tensorflow/tfjs-core");
const { loadGraphModel } = load("@tensorflow/tfjs-converter");
const wasm = load("@tensorflow/tfjs-backend-wasm");

const TYPES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const blob = fs.openSync(blobFile, "r");

/** @returns {ArrayBuffer} the bytes of [offset, length] */
function bytes([offset, length]) {
  const buffer = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) done += fs.readSync(blob, buffer, done, Math.min(length - done, 1 << 30), offset + done);
  return buffer.buffer;
}

async function run(job) {
  const handler = {
    load: async () => ({
      format: "graph-model",
      modelTopology: job.topology,
      signature: job.signature,
      weightSpecs: job.weightSpecs,
      weightData: bytes(job.weights),
    }),
  };
  const model = await loadGraphModel(handler);
  const inputs = {};
  for (const { name, shape, dtype, at } of job.inputs) inputs[name] = tf.tensor(new TYPES[dtype](bytes(at)), shape, dtype);
  const names = Object.keys(job.signature.outputs);
  const times = [];
  let answers = {};
  for (let round = 0; round < (job.rounds ?? 1); round++) {
    const start = performance.now();
    const result = await model.executeAsync(inputs, names);
    const tensors = Array.isArray(result) ? result : [result];
    answers = {};
    for (const [index, name] of names.entries()) {
      const { shape, dtype } = tensors[index];
      const data = await tensors[index].data();
      answers[name] = { shape, dtype, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
    }
    times.push(performance.now() - start);
    tf.dispose(tensors);
  }
  tf.dispose(inputs);
  model.dispose();
  return { outputs: answers, ms: times };
}

async function main() {
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  wasm.setWasmPaths(path.join(path.dirname(load.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
  await tf.setBackend("wasm");
  await tf.ready();
  if (tf.getBackend() !== "wasm") throw new Error(`the backend is ${tf.getBackend()}`);
  const lines = readline.createInterface({ input: fs.createReadStream(jobsFile) });
  for await (const line of lines) {
    const job = JSON.parse(line);
    let result;
    try {
      result = await run(job);
    } catch (error) {
      result = { error: String(error?.message ?? error).split("\n")[0] };
    }
    process.stdout.write(JSON.stringify({ name: job.name, ...result }) + "\n");
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
