/** Modules that the build makes up; see build/targets.mjs. */

declare module "*.wasm" {
  /** `data:application/wasm;base64,…` or an address that the bundler chose. */
  const url: string;
  export default url;
}

declare module "fer:worker" {
  /** The worker's classic script. */
  const source: string;
  export default source;
}

declare module "fer:portrait" {
  /** The sample portrait as a data: URL, or null where none is packaged. */
  const url: string | null;
  export default url;
}
