import type { BackendName } from "../worker/protocol";

/** A backend by name, or the fastest whose numbers agree. */
export type Choice = BackendName | "auto";

/** The backends that can be chosen, in the order in which they are measured. */
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
  const problem = choice ? null : `?backend=${asked} is no backend that this page knows (${CHOICES.join(", ")}). The usual one is used.`;
  return { choice, problem };
}
