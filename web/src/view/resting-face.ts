import { neutralOf } from "../steady/baseline";
import type { AtRest } from "../steady/people";
import { texts, word } from "../texts";
import { make } from "./dom";

/** The part of a person's card that takes the resting face off what is shown, says so, and undoes it. */
export class RestingFace {
  readonly root = make("div", "rest");
  readonly #button = make("button", "small");
  readonly #progress = make("progress");
  readonly #note = make("p", "advice");
  /** Whether the labels have one for a resting face. */
  readonly #possible: boolean;
  #state: AtRest["state"] | null = null;

  /** @param choose Called when the person asks for it, or no longer wants it. */
  constructor(labels: readonly string[], choose: (on: boolean) => void) {
    this.#possible = neutralOf(labels) !== null;
    this.#button.type = "button";
    this.#button.addEventListener("click", () => choose(this.#state === "off"));
    this.#progress.setAttribute("aria-label", texts.rest.watching);
    this.#note.setAttribute("role", "status");
    this.root.append(this.#button, this.#progress, this.#note);
    this.root.hidden = true;
  }

  /** Show where it stands; null where the picture stands still. */
  show(rest: AtRest | null): void {
    this.root.hidden = rest === null || !this.#possible;
    if (rest === null) return;
    this.#progress.value = rest.done;
    if (rest.state === this.#state) return;
    this.#state = rest.state;
    this.#progress.hidden = rest.state !== "watching";
    this.#note.hidden = rest.state === "off";
    this.#button.textContent = { off: texts.rest.set, watching: texts.rest.cancel, on: texts.rest.undo }[rest.state];
    this.#button.title = rest.state === "off" ? texts.rest.means : "";
    this.#note.textContent = rest.state === "on" ? told(rest.lowered) : texts.rest.hold;
  }
}

/** Say what was changed. */
function told(lowered: readonly string[]): string {
  return lowered.length === 0 ? texts.rest.nothing : texts.rest.told(lowered.slice(0, 2).map(word));
}
