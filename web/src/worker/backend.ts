import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import simd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm";
import * as tf from "@tensorflow/tfjs-core";

import type { BackendName } from "./protocol";

/** The backends that are tried without being asked for, the fastest first for nets of this size on one picture. */
const ORDER: readonly BackendName[] = ["wasm", "webgl", "cpu"];

/** No backend that this script has works in this browser; others may, see `other-backends.ts`. */
export class NoBackendError extends Error {}

/**
 * Start a backend, of those that this script has.
 *
 * @param wanted The only backend to try; null takes the first that works.
 * @throws NoBackendError It does not work here; none of them does.
 */
export async function startBackend(wanted: BackendName | null): Promise<{ backend: BackendName; passedOver: string[] }> {
  // Only the binary with SIMD is packaged. tfjs asks for a binary by name, depending on what the browser
  // supports; threads need a second file and headers that a page from disk cannot have.
  setWasmPaths({
    "tfjs-backend-wasm.wasm": simd,
    "tfjs-backend-wasm-simd.wasm": simd,
    "tfjs-backend-wasm-threaded-simd.wasm": simd,
  });
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  const passedOver: string[] = [];
  const there = ORDER.filter((name) => tf.findBackendFactory(name));
  for (const name of wanted ? [wanted] : there) {
    const reason = await tryBackend(name);
    if (reason === null) return { backend: name, passedOver };
    passedOver.push(`${name}: not available here: ${reason}`);
  }
  if (wanted) throw new NoBackendError(passedOver.join());
  throw new NoBackendError(`no backend works in this browser (${passedOver.join("; ")})`);
}

/** @returns Null when the backend runs, or else the reason why it does not. */
async function tryBackend(name: BackendName): Promise<string | null> {
  if (!tf.findBackendFactory(name)) return "this browser has none";
  try {
    // tfjs falls back to another backend silently, so the one that is active afterwards has to be checked.
    const started = await tf.setBackend(name);
    await tf.ready();
    if (!started || tf.getBackend() !== name) return "did not start";
    const two = tf.tidy(() => tf.add(tf.scalar(1), tf.scalar(1)).dataSync()[0]);
    return two === 2 ? null : "counts wrongly";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
