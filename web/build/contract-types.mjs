// Writes src/contract.ts, the contract's TypeScript interfaces, from its JSON schema on standard input.
// Usage: node build/contract-types.mjs [--check] < schema.json; with --check nothing is written, and a stale file is an error.

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { Failure } from "./failure.mjs";
import { write } from "./files.mjs";
import { interfaces } from "./schema-types.mjs";

const TARGET = resolve(dirname(fileURLToPath(import.meta.url)), "../src/contract.ts");
const COMMAND = "make contract-types";
const HEADER = `// Written by \`${COMMAND}\` from the JSON schema of fer_export/contract: do not edit.\n`;

/** @param {string[]} argv */
function main(argv) {
  const check = argv[0] === "--check";
  if (argv.length > Number(check)) throw new Failure("usage: node build/contract-types.mjs [--check] < schema.json", 2);
  const text = `${HEADER}\n${interfaces(schema())}`;
  if (!check) console.log(write(TARGET, Buffer.from(text)));
  else if (text !== current()) throw new Failure(`${TARGET} is not what fer_export/contract says; next: ${COMMAND}`, 1);
}

function schema() {
  try {
    return JSON.parse(readFileSync(0, "utf8"));
  } catch {
    throw new Failure(`standard input is no JSON schema; next: ${COMMAND}`);
  }
}

/** @returns {string | null} The file's text; null where there is no file yet. */
function current() {
  try {
    return readFileSync(TARGET, "utf8");
  } catch {
    return null;
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = error.exitCode;
}
