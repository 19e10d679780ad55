import { startBackend } from "../src/worker/backend";
import { load } from "../src/worker/load";
import { packagedModels } from "../src/models";
import type { Looker } from "../src/worker/looker";

/** The page's whole pipeline as one call a frame, on the thread of whoever asks, as those are that it is timed beside. */

let looker: Looker | null = null;

interface Answer {
  readonly faces: number;
  readonly searched: boolean;
}

async function start(): Promise<void> {
  await startBackend("wasm");
  looker = (await load(packagedModels())).looker;
}

/**
 * Read one frame.
 *
 * @param bitmap The frame; it is used up.
 * @param time When it was taken, in milliseconds.
 * @param alone Whether it is a picture by itself, which is searched whole, and not the next of a stream.
 */
function look(bitmap: ImageBitmap, time: number, alone: boolean): Answer {
  if (!looker) throw new Error("asked before it was ready");
  const mode = alone ? "picture" : "camera";
  const sight = looker.look({ kind: "look", id: 0, bitmap, mode, fresh: alone, still: alone, time });
  return { faces: sight.faces.length, searched: sight.searched };
}

Object.assign(globalThis, { ferBench: { start, look } });
