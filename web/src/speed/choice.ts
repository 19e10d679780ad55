import { texts } from "../texts";
import type { BackendName } from "../worker/protocol";

/** A backend by name, or the fastest whose numbers agree. */
export type Choice = BackendName | "auto";

/**
 * The backends that can be chosen, in the order in which they are measured. WebGPU is not among them: the nets' answers are
 * read synchronously, for which tfjs sends them through a canvas, and that gave other numbers (by 8, on SwiftShader).
 */
export const BACKENDS: readonly BackendName[] = ["wasm", "webgl", "cpu"];

export const CHOICES: readonly Choice[] = [...BACKENDS, "auto"];

/**
 * Read `?backend=` of an address.
 *
 * @param search The address's query.
 * @returns The choice; null where none is made. `problem` says what is wrong with it, for the user, or is null.
 */
export function choiceIn(search: string): { choice: Choice | null; problem: string | null } {
  const asked = new URLSearchParams(search).get("backend");
  if (asked === null) return { choice: null, problem: null };
  const choice = CHOICES.find((name) => name === asked) ?? null;
  const problem = choice ? null : texts.speed.noBackend(asked, CHOICES.join(", "));
  return { choice, problem };
}
