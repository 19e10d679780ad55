import type { Models } from "../models";
import type { Session } from "../session";
import type { State } from "../state";
import { texts } from "../texts";
import { Speed } from "../view/speed";
import type { BackendName, Ready } from "../worker/protocol";
import { benchmark } from "./benchmark";
import { type Choice, choiceIn } from "./choice";
import { fastest, type Measurement } from "./measurement";

/** What a change of backend tells the page. */
export interface Changes {
  say(text: string): void;
  /** Another backend runs. */
  ready(ready: Ready): void;
}

/** Which backend runs: by the address, by hand, or the fastest that agrees; and what all of them take. */
export class Backends {
  readonly #asked = choiceIn(location.search);
  readonly #view = new Speed(
    (choice) => void this.#change(choice),
    () => void this.#measure(),
  );
  #choice: Choice | null = this.#asked.choice;
  #running: BackendName | null = null;

  constructor(
    private readonly session: Session,
    private readonly state: Pick<State, "source">,
    private readonly changes: Changes,
  ) {
    this.#view.busy = true;
  }

  /** What is wrong with the choice in the address, for the user; null where nothing is. */
  get problem(): string | null {
    return this.#asked.problem;
  }

  /** The backend that the address asks for; null where it asks for none. */
  readonly first = (models: Models): Promise<BackendName | null> => this.#choose(this.#asked.choice, models);

  /** Show which backend runs. */
  show({ backend }: Ready): void {
    this.#running = backend;
    this.#view.choice = this.#choice === "auto" ? "auto" : backend;
    this.#view.busy = false;
  }

  async #change(choice: Choice): Promise<void> {
    this.#view.busy = true;
    this.changes.say(texts.speed.changing);
    const ready = await this.session.use(null, (models) => this.#choose(choice, models));
    if (ready) {
      this.#choice = choice;
      this.changes.ready(ready);
      return;
    }
    this.changes.say(texts.speed.unusable);
    if (this.#running) this.#view.choice = this.#choice === "auto" ? "auto" : this.#running;
    this.#view.busy = false;
  }

  async #measure(): Promise<void> {
    this.#view.busy = true;
    await this.#benchmark(this.session.models, () => {}).finally(() => (this.#view.busy = false));
  }

  async #choose(choice: Choice | null, models: Models): Promise<BackendName | null> {
    if (choice !== "auto") return choice;
    return fastest(await this.#benchmark(models, (text) => this.changes.say(text)));
  }

  async #benchmark(models: Models, say: (text: string) => void): Promise<readonly Measurement[]> {
    const moving = (): boolean => this.state.source === "camera" || this.state.source === "video";
    let disturbed = moving();
    const report = await benchmark(models, (text, done) => {
      disturbed ||= moving();
      this.#view.progress(text, done);
      say(text);
    });
    this.#view.done({ ...report, disturbed: disturbed || moving() });
    return report.measurements;
  }
}
