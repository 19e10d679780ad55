import type { PackedModel } from "../models";
import { texts } from "../texts";

/** An error about a model that somebody brought, in words for the user. */
export class ModelError extends Error {}

/** Reads one file of a model, by its name in the model's folder. */
type Reader = (name: string) => Promise<ArrayBuffer>;

interface Manifest {
  readonly weightsManifest?: readonly { readonly paths?: readonly string[] }[];
}

/** Whether files that were dropped or chosen are meant as a model. */
export function areModel(files: readonly File[]): boolean {
  return files.some(({ name }) => name.endsWith(".json"));
}

/**
 * Pack a model from files: `model.json` with the shards that it names; other files are left aside.
 *
 * @throws ModelError There is no TF.js graph model among them, or a shard is missing.
 */
export async function fromFiles(files: readonly File[]): Promise<PackedModel> {
  const json = files.find(({ name }) => name === "model.json") ?? files.find(({ name }) => name.endsWith(".json"));
  if (!json) throw new ModelError(texts.model.noJson);
  return pack(await json.text(), json.name, async (name) => {
    const file = files.find((each) => each.name === name);
    if (!file) throw new ModelError(texts.model.shardMissing(json.name, name));
    return file.arrayBuffer();
  });
}

/**
 * Pack a model from an address of the page's own host.
 *
 * @param address Of a folder with `model.json`, or of that file; relative to the page.
 * @throws ModelError The address is of another host, or what is there is no TF.js graph model.
 */
export async function fromAddress(address: string): Promise<PackedModel> {
  let url: URL;
  try {
    url = new URL(address.endsWith(".json") ? address : `${address.replace(/\/$/, "")}/model.json`, location.href);
  } catch {
    throw new ModelError(texts.model.noAddress(address));
  }
  if (location.protocol === "file:") {
    throw new ModelError(texts.model.fromDisk);
  }
  if (url.origin !== location.origin) {
    throw new ModelError(texts.model.otherHost(address));
  }
  const read = async (name: string): Promise<ArrayBuffer> => {
    const answer = await fetch(new URL(name, url));
    if (!answer.ok) throw new ModelError(texts.model.notLoaded(name, address, answer.status));
    return answer.arrayBuffer();
  };
  const file = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  return pack(new TextDecoder().decode(await read(file)), file, read);
}

async function pack(json: string, name: string, read: Reader): Promise<PackedModel> {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(json) as Manifest;
  } catch {
    throw new ModelError(texts.model.notJson(name));
  }
  const paths = manifest?.weightsManifest?.flatMap((group) => group.paths ?? []) ?? [];
  if (paths.length === 0) throw new ModelError(texts.model.notGraph(name));
  const outside = paths.find((path) => path.includes("/") || path.includes("\\"));
  if (outside !== undefined) throw new ModelError(texts.model.outside(name, outside));
  const shards = await Promise.all(paths.map(read));
  return { json, weights: await base64(new Blob(shards)) };
}

function base64(bytes: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      const url = reader.result as string;
      resolve(url.slice(url.indexOf(",") + 1));
    };
    reader.onerror = () => reject(reader.error ?? new ModelError(texts.model.unreadable));
    reader.readAsDataURL(bytes);
  });
}
