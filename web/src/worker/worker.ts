import * as tf from "@tensorflow/tfjs-core";

import type { Contract } from "../contract";
import type { Provenance } from "../model-contract";
import { NoBackendError, startBackend } from "./backend";
import { load } from "./load";
import type { Looker } from "./looker";
import type { Ready, Reply, Request, Start } from "./protocol";
import { selfTest } from "./self-test";

/** The parts of a worker's global scope that are used here; TypeScript cannot load its types beside the page's. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply): void;
};

/** The shares of the start that the backend and each of four models take; the rest is the self-test. */
const BACKEND = 0.3;
const MODEL = 0.1;

let looker: Looker | null = null;

scope.onmessage = ({ data }) => {
  if (data.kind === "start") {
    start(data).then(scope.postMessage.bind(scope), (error: unknown) => fail(null, error));
    return;
  }
  try {
    if (!looker) throw new Error("asked before it was ready");
    scope.postMessage(data.kind === "look" ? looker.look(data) : looker.explain(data));
  } catch (error) {
    fail(data.id, error);
  }
};

async function start({ backend: wanted, models }: Start): Promise<Ready> {
  const { backend, passedOver } = await startBackend(wanted);
  progress(BACKEND);
  const loaded = await load(models, (count) => progress(BACKEND + count * MODEL));
  const all = loaded.models;
  looker = loaded.looker;
  return {
    kind: "ready",
    backend,
    passedOver,
    parity: selfTest(all),
    hashed: Object.values(all).every(({ hashed }) => hashed),
    classifier: provenance(all.classifier.contract),
    detector: provenance(all.onet.contract),
    tensors: tf.memory().numTensors,
  };
}

function progress(done: number): void {
  scope.postMessage({ kind: "progress", done });
}

function provenance({ golden: _, ...rest }: Contract): Provenance {
  return rest;
}

function fail(id: number | null, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  scope.postMessage({ kind: "failed", id, reason, noBackend: error instanceof NoBackendError });
}
