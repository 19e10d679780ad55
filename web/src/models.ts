/** The models, which `models.js` beside the page's script puts on the global scope; `fer-export page` writes it. */

export interface PackedModel {
  /** The text of model.json. */
  readonly json: string;
  /** All shards in the manifest's order, base64. */
  readonly weights: string;
}

export type Models = Readonly<Record<"classifier" | "pnet" | "rnet" | "onet", PackedModel>>;

const scope = globalThis as { ferModels?: Models };

/**
 * Return the models that came with the page.
 *
 * @throws Error `models.js` was not loaded.
 */
export function packagedModels(): Models {
  if (!scope.ferModels) throw new Error("the models are not there: dist/models.js is missing or damaged");
  return scope.ferModels;
}
