import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { Failure } from "./failure.mjs";

/** The key of the contract in `userDefinedMetadata`; `KEY` in fer_export/contract.py. */
const CONTRACT = "fer_export.contract";

/**
 * The models that the page carries, each as the text of its model.json and its shards in one base64 string.
 *
 * @param {string} folder Classifier in `folder`, stages of the detector in `folder/detector/<stage>`.
 * @throws {Failure} Missing, damaged or without a contract; names the command that writes it.
 */
export function readModels(folder) {
  return {
    classifier: read(folder, "fer-export tfjs"),
    pnet: read(join(folder, "detector", "pnet"), "fer-export detector"),
    rnet: read(join(folder, "detector", "rnet"), "fer-export detector"),
    onet: read(join(folder, "detector", "onet"), "fer-export detector"),
  };
}

/**
 * @param {string} folder
 * @param {string} command What writes this model.
 */
function read(folder, command) {
  const path = join(folder, "model.json");
  if (!existsSync(path)) throw new Failure(`no model in ${folder}; next: ${command}`);
  let model;
  try {
    model = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new Failure(`${path} is not JSON; next: ${command}`);
  }
  if (!model?.userDefinedMetadata?.[CONTRACT]) throw new Failure(`${path} carries no contract; next: ${command}`);
  if (!Array.isArray(model.weightsManifest)) throw new Failure(`${path} lists no weights; next: ${command}`);
  return { json: JSON.stringify(model), weights: shards(path, model.weightsManifest, command) };
}

/**
 * @param {string} path
 * @param {{ paths: string[] }[]} manifest
 * @param {string} command
 */
function shards(path, manifest, command) {
  const files = manifest.flatMap((group) => group.paths).map((name) => join(dirname(path), name));
  const missing = files.find((file) => !existsSync(file));
  if (missing) throw new Failure(`${path} names a shard that is not there, ${missing}; next: ${command}`);
  return Buffer.concat(files.map((file) => readFileSync(file))).toString("base64");
}
