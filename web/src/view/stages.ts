import { Recent, type Times } from "../speed/recent";
import { texts } from "../texts";
import { byId } from "./dom";

/** How long a figure stands at the least, in milliseconds. */
const STANDING = 500;

/** The line that says what a picture takes, stage by stage; written only while somebody may read it. */
export class StageTimes {
  readonly #line = byId("stages", HTMLElement);
  readonly #details = byId("about", HTMLDetailsElement);
  readonly #recent = new Recent();
  #timer: number | null = null;
  /** When the line was written. */
  #written = 0;

  constructor() {
    this.#details.addEventListener("toggle", () => this.#write());
  }

  /** Take in what a picture took. */
  add(times: Times): void {
    this.#recent.add(times, performance.now());
    if (!this.#details.open || this.#timer !== null) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = null;
      this.#write();
    }, this.#written + STANDING - performance.now());
  }

  /** Begin anew with another source; the line stays until there is another. */
  clear(): void {
    this.#recent.clear();
  }

  /** Begin anew with another model or backend, of which nothing is known yet. */
  reset(): void {
    this.clear();
    this.#line.textContent = "";
  }

  #write(): void {
    const { mean } = this.#recent;
    if (!mean || !this.#details.open) return;
    this.#written = performance.now();
    const { pixels, faces, people, expressions } = mean.stages;
    const [all, ...parts] = [mean.milliseconds, pixels, faces, people, expressions].map(ms) as [string, string, string, string, string];
    this.#line.textContent = texts.speed.picture(`${all}\u00a0ms`, ...parts);
  }
}

function ms(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 100 ? 1 : 0);
}
