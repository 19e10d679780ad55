import type { Models } from "../models";
import { Classifier } from "../vision/classifier";
import { Detector } from "../vision/detector";
import { Explainer } from "../vision/explainer";
import { Looker } from "./looker";
import { loadModel, type Model } from "./model";

/** The nets of a page, ready to run, and what looks at pictures with them. */
export interface Loaded {
  readonly looker: Looker;
  readonly models: Readonly<Record<keyof Models, Model>>;
}

/**
 * Load all models of a page on the backend that runs.
 *
 * @param loaded Called with the number of models that are there, after each.
 * @throws Error A model cannot be read, or its contract lacks what the page needs.
 */
export async function load(packed: Models, loaded: (count: number) => void = () => {}): Promise<Loaded> {
  const classifier = await loadModel(packed.classifier, "classifier");
  loaded(1);
  const pnet = await loadModel(packed.pnet, "pnet");
  loaded(2);
  const rnet = await loadModel(packed.rnet, "rnet");
  loaded(3);
  const onet = await loadModel(packed.onet, "onet");
  loaded(4);
  const detector = new Detector(
    { pnet: pnet.contract, rnet: rnet.contract, onet: onet.contract },
    { pnet: pnet.run, rnet: rnet.run, onet: onet.run },
  );
  return {
    looker: new Looker(detector, new Classifier(classifier.contract, classifier.run), new Explainer(classifier.graph)),
    models: { classifier, pnet, rnet, onet },
  };
}
