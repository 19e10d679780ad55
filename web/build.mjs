// Builds the page's scripts. Usage: node build.mjs [page] [harness] [testing] [bench] [flags]; --help tells more.

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { build } from "esbuild";

import { Failure } from "./build/failure.mjs";
import { copy, write } from "./build/files.mjs";
import { bench, harness, page, testing } from "./build/targets.mjs";

const HELP = `node build.mjs [page] [harness] [testing] [bench] [flags]    without a name: the first three

  page      dist/fer.js: the page's code in one classic script, with worker and wasm inside, and
            dist/backends.js, for browsers without WebAssembly; with index.html and the like also
            in fer_export/web, for fer-export page, which adds the models
  harness   fer_export/runtimes/browser/harness.js with tfjs's wasm files, and harness-onnx.js
            with onnxruntime's, for parity checks
  testing   dist/testing.js: the page's pure functions, for the tests
  bench     bench/dist/ours.js: the page's pipeline for make bench-web; built only when named

  --portrait FILE    the sample portrait                  (fer_export/portrait/portrait.png)
  --out DIR          where page and testing go                                    (web/dist)
  --packaged DIR     where the page goes for fer-export page                  (fer_export/web)
  --harness-out DIR  where the harness goes                      (fer_export/runtimes/browser)
  --no-minify        readable output`;

const WEB = dirname(fileURLToPath(import.meta.url));
const TARGETS = { page, harness: harnesses, testing };
/** Built only when named. */
const OTHERS = { bench };

/** @param {string[]} argv */
async function main(argv) {
  const { values, positionals } = parse(argv);
  if (values.help) {
    console.log(HELP);
    return;
  }
  const targets = { ...TARGETS, ...OTHERS };
  for (const name of positionals) {
    if (!(name in targets)) throw new Failure(`no target ${name}: it is one of ${Object.keys(targets).join(", ")}`, 2);
  }
  const names = positionals.length > 0 ? positionals : Object.keys(TARGETS);
  const options = {
    web: WEB,
    portrait: resolve(values.portrait ?? resolve(WEB, "../fer_export/portrait/portrait.png")),
    out: resolve(values.out ?? resolve(WEB, "dist")),
    packaged: resolve(values.packaged ?? resolve(WEB, "../fer_export/web")),
    harnessOut: resolve(values["harness-out"] ?? resolve(WEB, "../fer_export/runtimes/browser")),
    minify: !values["no-minify"],
  };
  if (!existsSync(resolve(WEB, "node_modules/esbuild"))) {
    throw new Failure("the build's packages are not installed; next: npm ci --prefix web", 3);
  }
  for (const name of names) {
    for (const line of await targets[name](options)) console.log(line);
  }
}

/**
 * Build the scripts that parity checks drive in a browser: TF.js's, and ONNX Runtime's with the wasm file that it loads.
 *
 * @param {import("./build/targets.mjs").Options} options
 */
async function harnesses(options) {
  const { outputFiles } = await build({
    entryPoints: [resolve(options.web, "harness/onnxruntime.ts")],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    minify: options.minify,
    legalComments: "eof",
    logLevel: "silent",
  }).catch((error) => {
    throw new Failure(error.errors?.[0]?.text ?? String(error));
  });
  const wasm = "ort-wasm-simd-threaded.wasm";
  return [
    ...(await harness(options)),
    write(resolve(options.harnessOut, "harness-onnx.js"), outputFiles[0].contents),
    copy(resolve(options.web, "node_modules/onnxruntime-web/dist", wasm), resolve(options.harnessOut, wasm)),
  ];
}

/** @param {string[]} argv */
function parse(argv) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        portrait: { type: "string" },
        out: { type: "string" },
        packaged: { type: "string" },
        "harness-out": { type: "string" },
        "no-minify": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new Failure(`${/** @type {Error} */ (error).message.split(". ")[0]}; see node build.mjs --help`, 2);
  }
}

main(process.argv.slice(2)).catch((error) => {
  if (!(error instanceof Failure)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = error.exitCode;
});
