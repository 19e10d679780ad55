import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

import { Failure } from "./failure.mjs";
import { copy, write } from "./files.mjs";

/**
 * @typedef {object} Options
 * @property {string} web
 * @property {string} portrait
 * @property {string} out
 * @property {string} packaged
 * @property {string} harnessOut
 * @property {boolean} minify
 */

const WASM = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];

/**
 * Build the page's code as one classic script, since a page opened from disk may load neither modules nor other files;
 * the backends that hardly any browser needs are in another. Put the whole page without its models where
 * `fer-export page` finds it: the models are in a script of their own.
 *
 * @param {Options} options
 */
export async function page(options) {
  const worker = await bundle(options, "src/worker/worker.ts", {});
  const portrait = existsSync(options.portrait)
    ? `data:image/png;base64,${readFileSync(options.portrait).toString("base64")}`
    : null;
  const text = Buffer.from(worker).toString("utf8");
  const others = Buffer.from(await bundle(options, "src/worker/other-backends.ts", {})).toString("utf8");
  const backends = Buffer.from(`globalThis.ferBackends=${JSON.stringify(others)};\n`);
  const main = await bundle(options, "src/main.ts", { worker: text, portrait });
  const packaged = (/** @type {string} */ name) => join(options.packaged, name);
  return [
    write(join(options.out, "fer.js"), main),
    write(packaged("dist/fer.js"), main),
    write(join(options.out, "backends.js"), backends),
    write(packaged("dist/backends.js"), backends),
    ...["index.html", "style.css", "sw.js", "manifest.webmanifest", "icon.svg"].map((name) => copy(join(options.web, name), packaged(name))),
  ];
}

/**
 * Build the script that parity checks drive in a browser, with tfjs's wasm files beside it. No model is needed.
 *
 * @param {Options} options
 */
export async function harness(options) {
  const lines = [write(join(options.harnessOut, "harness.js"), await bundle(options, "harness/tfjs.ts", {}))];
  const source = join(options.web, "node_modules/@tensorflow/tfjs-backend-wasm/dist");
  for (const name of WASM) lines.push(copy(join(source, name), join(options.harnessOut, name)));
  return lines;
}

/**
 * Build a script with the page's pure functions on the global `ferTesting`. No model is needed.
 *
 * @param {Options} options
 */
export async function testing(options) {
  return [write(join(options.out, "testing.js"), await bundle(options, "testing/index.ts", {}))];
}

/**
 * Build the script with which `make bench-web` runs the page's pipeline beside those of others. No model is needed.
 *
 * @param {Options} options
 */
export async function bench(options) {
  return [write(join(options.web, "bench/dist/ours.js"), await bundle(options, "bench/ours.ts", {}))];
}

/**
 * @param {Options} options
 * @param {string} entry The entry file, relative to `web`.
 * @param {Record<string, unknown>} inlined The JSON value that each import of `fer:NAME` gets.
 * @returns {Promise<Uint8Array>}
 */
async function bundle(options, entry, inlined) {
  try {
    const result = await build({
      entryPoints: [join(options.web, entry)],
      bundle: true,
      write: false,
      format: "iife",
      platform: "browser",
      target: "es2022",
      charset: "utf8",
      minify: options.minify,
      legalComments: "eof",
      loader: { ".wasm": "dataurl" },
      plugins: [inline(inlined)],
      logLevel: "silent",
    });
    return /** @type {Uint8Array} */ (result.outputFiles[0]?.contents);
  } catch (error) {
    const first = /** @type {import("esbuild").BuildFailure} */ (error).errors?.[0];
    if (!first) throw error;
    const place = first.location ? `${first.location.file}:${first.location.line}: ` : "";
    throw new Failure(`${place}${first.text}`);
  }
}

/**
 * @param {Record<string, unknown>} values
 * @returns {import("esbuild").Plugin}
 */
function inline(values) {
  return {
    name: "fer-inline",
    setup(builder) {
      builder.onResolve({ filter: /^fer:/ }, ({ path }) => ({ path: path.slice("fer:".length), namespace: "fer" }));
      builder.onLoad({ filter: /.*/, namespace: "fer" }, ({ path }) =>
        path in values
          ? { contents: JSON.stringify(values[path]), loader: "json" }
          : { errors: [{ text: `fer:${path} is not part of this bundle` }] },
      );
    },
  };
}
