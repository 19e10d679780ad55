import { Bridge, NoBackendError } from "../bridge";
import type { Models } from "../models";
import type { BackendName, Ready, Sight } from "../worker/protocol";
import type { Measurement } from "./measurement";

/** The first pictures, in which a backend prepares what it then keeps, do not count. */
const WARM_UP = 2;
/** How many pictures count at the least and at the most, and after how many milliseconds no more are taken. */
const FEWEST = 3;
const MOST = 15;
const LASTING = 1500;

/**
 * Measure a backend with a worker of its own, which ends with the measurement: each picture is searched as a whole and its
 * faces are read, as a picture from a file is. Where its numbers differ from PyTorch's, no picture is looked at.
 *
 * @param make Makes the picture anew, since each bitmap is used up.
 */
export async function measure(backend: BackendName, models: Models, make: () => Promise<ImageBitmap>): Promise<Measurement> {
  const bridge = new Bridge();
  const look = async (): Promise<Sight> =>
    bridge.look(await make(), { mode: "picture", fresh: true, still: true, time: performance.now() });
  try {
    const { parity, classifier } = await bridge.start(backend, models, () => {});
    const working = { backend, parity, model: named(classifier) };
    if (!parity.ok) return working;
    let faces = 0;
    for (let count = 0; count < WARM_UP; count++) faces = (await look()).faces.length;
    const times: number[] = [];
    const start = performance.now();
    while (times.length < FEWEST || (times.length < MOST && performance.now() - start < LASTING)) {
      times.push((await look()).milliseconds);
    }
    return { ...working, faces, milliseconds: times.sort((a, b) => a - b) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { backend, missing: error instanceof NoBackendError ? reason : `${backend}: failed here: ${reason}` };
  } finally {
    bridge.close();
  }
}

function named({ architecture, weights_dtype: dtype, weights_sha256: hash }: Ready["classifier"]): string {
  return `${architecture.name}, ${dtype} weights, sha256 ${hash.slice(0, 16)}`;
}
