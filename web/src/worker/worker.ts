import * as tf from "@tensorflow/tfjs-core";

import type { Contract } from "../contract";
import type { Provenance } from "../model-contract";
import { Classifier } from "../vision/classifier";
import { Detector } from "../vision/detector";
import { startBackend } from "./backend";
import { Looker } from "./looker";
import { loadModel } from "./model";
import type { Ready, Reply, Request, Start } from "./protocol";
import { selfTest } from "./self-test";

/** The parts of a worker's global scope that are used here; TypeScript cannot load its types beside the page's. */
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply): void;
};

let looker: Looker | null = null;

scope.onmessage = ({ data }) => {
  if (data.kind === "start") {
    start(data).then(scope.postMessage.bind(scope), (error: unknown) => fail(null, error));
    return;
  }
  try {
    if (!looker) throw new Error("asked before it was ready");
    scope.postMessage(looker.look(data));
  } catch (error) {
    fail(data.id, error);
  }
};

async function start({ backend: wanted, models }: Start): Promise<Ready> {
  const { backend, passedOver } = await startBackend(wanted);
  const classifier = await loadModel(models.classifier, "classifier");
  const pnet = await loadModel(models.pnet, "pnet");
  const rnet = await loadModel(models.rnet, "rnet");
  const onet = await loadModel(models.onet, "onet");
  const all = { classifier, pnet, rnet, onet };
  const detector = new Detector(
    { pnet: pnet.contract, rnet: rnet.contract, onet: onet.contract },
    { pnet: pnet.run, rnet: rnet.run, onet: onet.run },
  );
  looker = new Looker(detector, new Classifier(classifier.contract, classifier.run));
  return {
    kind: "ready",
    backend,
    passedOver,
    parity: selfTest(all),
    hashed: Object.values(all).every(({ hashed }) => hashed),
    classifier: provenance(classifier.contract),
    detector: provenance(onet.contract),
    tensors: tf.memory().numTensors,
  };
}

function provenance({ golden: _, ...rest }: Contract): Provenance {
  return rest;
}

function fail(id: number | null, error: unknown): void {
  scope.postMessage({ kind: "failed", id, reason: error instanceof Error ? error.message : String(error) });
}
