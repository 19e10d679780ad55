import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { Failure } from "./failure.mjs";

/** The key of the contract in `userDefinedMetadata`; `KEY` in fer_export/contract. */
const CONTRACT = "fer_export.contract";
/** The version of the contract that the page reads; the same is in src/model-contract.ts. */
const VERSION = 2;

/**
 * Read the models that are built into the page, each as the text of its model.json and its shards in one base64 string.
 *
 * @param {string} folder The classifier is in `folder`, the detector's nets are in `folder/detector/<stage>`.
 * @throws {Failure} A model is missing, damaged, or has no contract that the page reads; it names the command that
 *   writes the model.
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
 * @param {string} command The command that writes this model.
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
  checkContract(model?.userDefinedMetadata?.[CONTRACT], path, command);
  if (!Array.isArray(model.weightsManifest)) throw new Failure(`${path} lists no weights; next: ${command}`);
  return { json: JSON.stringify(model), weights: shards(path, model.weightsManifest, command) };
}

/**
 * @param {unknown} found The contract as an object, or as JSON text.
 * @param {string} path
 * @param {string} command
 */
function checkContract(found, path, command) {
  let contract = found;
  try {
    if (typeof found === "string") contract = JSON.parse(found);
  } catch {
    contract = null;
  }
  const version = Number(/** @type {{ version?: unknown } | null | undefined} */ (contract)?.version);
  if (Number.isNaN(version)) throw new Failure(`${path} carries no contract; next: ${command}`);
  if (version > VERSION) throw new Failure(`${path} was written by a newer fer-export (contract ${version}): update`);
  if (version < VERSION) throw new Failure(`${path} was written by an older fer-export (contract ${version}); next: ${command}`);
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
