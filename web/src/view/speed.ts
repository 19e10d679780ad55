import { CHOICES, type Choice } from "../speed/choice";
import type { Measurement } from "../speed/measurement";
import { asText, line, type Report } from "../speed/report";
import { texts } from "../texts";
import { copied } from "./copying";
import { byId, make } from "./dom";

/** The choice of a backend, and the figures of all of them. */
export class Speed {
  readonly #choice = byId("backend-choice", HTMLSelectElement);
  readonly #measure = byId("measure", HTMLButtonElement);
  readonly #note = byId("speed-note", HTMLElement);
  readonly #rows = byId("speed-rows", HTMLElement);
  readonly #copy = byId("copy-speed", HTMLButtonElement);
  readonly #text = byId("speed-text", HTMLTextAreaElement);
  #report: Report | null = null;

  /**
   * @param chosen Called with the choice.
   * @param measure Called when all backends are to be measured.
   */
  constructor(chosen: (choice: Choice) => void, measure: () => void) {
    this.#choice.replaceChildren(
      ...CHOICES.map((name) => {
        const option = make("option", "", texts.speed.backends[name]);
        option.value = name;
        return option;
      }),
    );
    this.#choice.addEventListener("change", () => chosen(this.#choice.value as Choice));
    this.#measure.addEventListener("click", measure);
    this.#copy.addEventListener("click", () => void this.#copyText());
  }

  /** Show what is chosen. */
  set choice(choice: Choice) {
    this.#choice.value = choice;
  }

  /** Whether something is under way, while which nothing else can be begun. */
  set busy(on: boolean) {
    this.#choice.disabled = this.#measure.disabled = on;
  }

  /** Say how far measuring is; `rows` are the backends that are measured already. */
  progress(text: string, rows: readonly Measurement[]): void {
    this.#report = null;
    this.#copy.hidden = this.#text.hidden = true;
    this.#show(text, rows);
  }

  /** Show what was measured. */
  done(report: Report): void {
    this.#report = report;
    this.#copy.hidden = false;
    const { pictures, timeToRead, disturbed } = texts.speed;
    const note = [timeToRead(pictures[report.picture]), ...(report.disturbed ? [disturbed] : [])];
    this.#show(note.join(" "), report.measurements);
  }

  #show(note: string, rows: readonly Measurement[]): void {
    this.#note.textContent = note;
    this.#rows.replaceChildren(...rows.map((measurement) => make("li", "", line(measurement))));
  }

  /** Where the clipboard is not allowed, the text is shown and selected, to be copied by hand. */
  async #copyText(): Promise<void> {
    if (!this.#report) return;
    const text = asText(this.#report);
    const done = await copied(text);
    this.#text.hidden = done;
    this.#note.textContent = done ? texts.speed.copied : texts.speed.copyByHand;
    if (done) return;
    this.#text.value = text;
    this.#text.focus();
    this.#text.select();
  }
}
