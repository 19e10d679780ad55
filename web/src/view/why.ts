import type { PublicFace } from "../state";
import { texts, word } from "../texts";
import type { Explanation } from "../worker/protocol";
import { make } from "./dom";
import { drawCrop, drawHeat, strongest } from "./heat-map";

/** Asks from where in a face's picture a class is read; null where that cannot be told. */
export type Ask = (track: number, label: string) => Promise<Explanation | null>;

/** How long an explanation of a moving picture stays, in milliseconds. */
const EVERY = 500;
/** Numbers the panels, so that buttons can name theirs. */
let made = 0;

/** A button, and what it opens: the picture of a face that the net saw, and over it from where the class is read. */
export class Why {
  readonly button = make("button", "small", texts.why.explain);
  readonly panel = make("div", "why");
  readonly #crop = make("canvas");
  readonly #heat = make("canvas");
  readonly #heatFigure: HTMLElement;
  readonly #text = make("p");
  #face: PublicFace | null = null;
  /** When the last explanation was asked for, and whether it has not come yet. */
  #asked = -Infinity;
  #asking = false;
  /** The next explanation is waited for. */
  #timer = 0;

  constructor(private readonly ask: Ask) {
    const { button, panel } = this;
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    panel.id = `why-${++made}`;
    panel.hidden = true;
    button.setAttribute("aria-controls", panel.id);
    button.addEventListener("click", () => this.#toggle());
    for (const canvas of [this.#crop, this.#heat]) canvas.setAttribute("role", "img");
    this.#heatFigure = figure(this.#heat, texts.why.speaksFor);
    const both = make("div", "pictures");
    both.append(figure(this.#crop, texts.why.saw), this.#heatFigure);
    panel.append(both, this.#text);
  }

  /**
   * Take in what is shown of the face now.
   *
   * @param hidden Whether the face is not read, so that there is nothing to explain.
   */
  update(face: PublicFace, hidden: boolean): void {
    this.#face = face;
    this.button.hidden = hidden;
    this.panel.hidden = hidden || !this.#open;
    this.#next();
  }

  /** Ask for nothing more. */
  close(): void {
    this.button.setAttribute("aria-expanded", "false");
    this.panel.hidden = true;
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  get #open(): boolean {
    return this.button.getAttribute("aria-expanded") === "true";
  }

  #toggle(): void {
    if (this.#open) {
      this.close();
      return;
    }
    this.button.setAttribute("aria-expanded", "true");
    this.panel.hidden = false;
    this.#next();
  }

  /** Ask for the next explanation as soon as it is time. */
  #next(): void {
    if (this.panel.hidden || this.#asking || this.#timer !== 0) return;
    this.#timer = window.setTimeout(() => void this.#explain(), Math.max(0, this.#asked + EVERY - performance.now()));
  }

  async #explain(): Promise<void> {
    this.#timer = 0;
    const face = this.#face;
    if (!face || this.panel.hidden) return;
    this.#asking = true;
    this.#asked = performance.now();
    const label = face.certain ? face.shown : face.label;
    const explanation = await this.ask(face.track, label);
    this.#asking = false;
    // What was there stays until the face itself goes.
    if (explanation) this.#show(explanation, label);
    // What came in meanwhile is newer.
    if (face !== this.#face) this.#next();
  }

  #show({ crop, heat, track }: Explanation, label: string): void {
    drawCrop(this.#crop, crop);
    this.#crop.setAttribute("aria-label", texts.why.crop(track, crop.width, crop.height, crop.color === "gray"));
    this.#heatFigure.hidden = heat === null;
    if (!heat) {
      this.#text.textContent = texts.why.noMap;
      return;
    }
    drawHeat(this.#heat, crop, heat);
    this.#heat.setAttribute("aria-label", texts.why.map(track, word(label), strongest(heat)));
    this.#text.textContent = texts.why.colours(word(label), heat.rows, heat.columns);
  }
}

function figure(canvas: HTMLCanvasElement, caption: string): HTMLElement {
  const around = make("figure");
  around.append(canvas, make("figcaption", "", caption));
  return around;
}
