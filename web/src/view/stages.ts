import { Recent, type Times } from "../speed/recent";
import { byId } from "./dom";

/** How long a figure stands at the least, in milliseconds. */
const STANDING = 500;

/** The line that says what a picture takes, stage by stage; written only while somebody may read it. */
export class StageTimes {
  readonly #line = byId("stages", HTMLElement);
  readonly #details = byId("about", HTMLDetailsElement);
  readonly #recent = new Recent();
  #timer: number | null = null;

  constructor() {
    this.#details.addEventListener("toggle", () => this.#write());
  }

  /** Take in what a picture took. */
  add(times: Times): void {
    this.#recent.add(times, performance.now());
    if (!this.#details.open || this.#timer !== null) return;
    this.#write();
    this.#timer = window.setTimeout(() => {
      this.#timer = null;
      this.#write();
    }, STANDING);
  }

  /** Begin anew with another source or backend; the line stays until there is another. */
  clear(): void {
    this.#recent.clear();
  }

  #write(): void {
    const { mean } = this.#recent;
    if (!mean || !this.#details.open) return;
    const { pixels, faces, people, expressions } = mean.stages;
    this.#line.textContent =
      `Time for a picture: ${ms(mean.milliseconds)}\u00a0ms ` +
      `(pixels\u00a0${ms(pixels)}, faces\u00a0${ms(faces)}, people\u00a0${ms(people)}, expressions\u00a0${ms(expressions)})`;
  }
}

function ms(milliseconds: number): string {
  return milliseconds.toFixed(1);
}
