import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { Failure } from "./failure.mjs";

/**
 * Let `write` fill a temporary file beside `path`, then rename it, so that a failed build leaves the last good file.
 *
 * @param {string} path
 * @param {(temporary: string) => void} write
 * @returns {string} A line that names the file and its size.
 */
function replace(path, write) {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    mkdirSync(dirname(path), { recursive: true });
    write(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Failure(`cannot write ${path}: ${/** @type {NodeJS.ErrnoException} */ (error).code ?? error}`);
  }
  return `${path}  ${(statSync(path).size / 1e6).toFixed(2)} MB`;
}

/**
 * @param {string} path
 * @param {Uint8Array} bytes
 */
export const write = (path, bytes) => replace(path, (temporary) => writeFileSync(temporary, bytes));

/**
 * @param {string} from
 * @param {string} to
 */
export const copy = (from, to) => replace(to, (temporary) => copyFileSync(from, temporary));
