import type { SelfTest } from "../worker/protocol";
import type { Verdict } from "../state";
import { Announcer } from "../steady/announcer";
import type { View } from "../steady/people";
import { texts, word } from "../texts";
import { byId, scientific } from "./dom";

/** For how long nobody has to be in sight before that is said, in milliseconds: at the start a face needs some frames. */
const NOBODY_FOR = 1000;

/** The summary line, what a screen reader says, the three figures, and the place for errors. */
export class Status {
  readonly #summary = byId("summary", HTMLElement);
  readonly #spoken = byId("spoken", HTMLElement);
  readonly #announcer = new Announcer((text) => (this.#spoken.textContent = text));
  readonly #loading = byId("loading", HTMLProgressElement);
  readonly #backend = byId("backend", HTMLElement);
  readonly #fps = byId("fps", HTMLElement);
  readonly #parity = byId("parity", HTMLElement);
  readonly #alarm = byId("alarm", HTMLElement);
  readonly #alert = byId("alert", HTMLElement);

  /** Show how far loading is, 0–1; at 1 the bar is taken away. */
  loading(done: number): void {
    this.#loading.value = done;
    this.#loading.hidden = done >= 1;
  }

  /** Show a text in the summary line. */
  show(text: string): void {
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }

  /** Show a text and have it said. */
  say(text: string): void {
    this.show(text);
    this.#announcer.announce(text);
  }

  /** Sum up what is seen; those who may come back in a moment are still counted in what is said. */
  saw({ averaged, waiting, light }: View): void {
    const nobody = light ? texts.nobodyByLight[light] : texts.nobody;
    this.show(averaged.length > 0 ? summed(averaged) : nobody);
    const people = [...averaged, ...waiting];
    if (people.length > 0) this.#announcer.announce(summed(people));
    else this.#announcer.announce(nobody, NOBODY_FOR);
  }

  /** Show the backend and whether its results match PyTorch's; a mismatch is an alarm that stays. */
  ready(backend: string, { ok, maxAbs, models }: SelfTest): void {
    this.#backend.textContent = backend;
    this.#parity.textContent = (ok ? texts.matches : texts.differs)(scientific(maxAbs));
    this.#parity.dataset["ok"] = String(ok);
    this.#parity.title = texts.parityMeans;
    const wrong = models.filter((model) => !model.ok).map(({ model }) => model);
    this.#alarm.hidden = ok;
    this.#alarm.textContent = ok ? "" : texts.alarm(wrong.join(", "));
  }

  /** Pictures a second; a dash where there are none. */
  fps(value: number): void {
    this.#fps.textContent = value > 0 ? `${value.toFixed(value < 10 ? 1 : 0)} fps` : "–";
  }

  /** Show an error; null removes it. */
  alert(text: string | null): void {
    this.#alert.hidden = text === null;
    this.#alert.textContent = text ?? "";
  }
}

/** Sum up what is shown of one face or more. */
function summed(people: readonly Verdict[]): string {
  const counts = new Map<string, number>();
  for (const { shown } of people) counts.set(word(shown), (counts.get(word(shown)) ?? 0) + 1);
  if (people.length === 1) return texts.oneFace([...counts.keys()].join());
  return texts.faces(people.length, [...counts].map(([shown, count]) => `${count} ${shown}`).join(", "));
}
