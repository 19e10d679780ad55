import type { SelfTest } from "../worker/protocol";
import type { PublicFace } from "../state";
import { byId, scientific } from "./dom";

/** The summary line, the three figures, and the place for errors. */
export class Status {
  readonly #summary = byId("summary", HTMLElement);
  readonly #backend = byId("backend", HTMLElement);
  readonly #fps = byId("fps", HTMLElement);
  readonly #parity = byId("parity", HTMLElement);
  readonly #alarm = byId("alarm", HTMLElement);
  readonly #alert = byId("alert", HTMLElement);

  /** Show a text in the summary line. It is set only when it changes, so that screen readers do not repeat it. */
  say(text: string): void {
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
  }

  /** Sum up what is seen. */
  saw(faces: readonly PublicFace[]): void {
    const counts = new Map<string, number>();
    for (const { label } of faces) counts.set(label, (counts.get(label) ?? 0) + 1);
    const [first] = faces;
    if (!first) this.say("No face in sight");
    else if (faces.length === 1) this.say(`One face: ${first.label}`);
    else this.say(`${faces.length} faces: ${[...counts].map(([label, count]) => `${count} ${label}`).join(", ")}`);
  }

  /** Show the backend and whether its results match PyTorch's; a mismatch is an alarm that stays. */
  ready(backend: string, { ok, maxAbs, models }: SelfTest): void {
    this.#backend.textContent = backend;
    this.#parity.textContent = ok ? `matches (${scientific(maxAbs)})` : `differs (${scientific(maxAbs)})`;
    this.#parity.dataset["ok"] = String(ok);
    this.#parity.title = "The models' golden pictures, replayed here and compared with PyTorch's answers";
    const wrong = models.filter((model) => !model.ok).map(({ model }) => model);
    this.#alarm.hidden = ok;
    this.#alarm.textContent = ok
      ? ""
      : `What this browser computes differs from the model that was measured (${wrong.join(", ")}): do not trust it.`;
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
