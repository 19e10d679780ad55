import type { Recorder, Sample } from "../timeline/recorder";
import { asCsv, asJson, type Model } from "../timeline/table";
import { texts, word } from "../texts";
import { byId, make, percent } from "./dom";
import { colour } from "./palette";
import { save, stamped } from "./saving";

/** How much of the past is drawn, in milliseconds; a jump of the arrow keys; and how often it is drawn at most. */
const SPAN = 60_000;
const JUMP = 1_000;
const EVERY = 250;
/** The height of all strips together, which people share, so that nothing moves when one comes; and the gap between two, in CSS pixels. */
const HEIGHT = 76;
const GAP = 4;
/** The size of a person's number, in CSS pixels, where the strip is tall enough. */
const NUMBER = 12;
/** How many people have a strip; the others are in what is saved. */
const STRIPS = 6;
/** Samples further apart than this are two visits, in milliseconds. */
const BREAK = 1_000;

/** The last minute, a strip a person, with the shares of all classes stacked; a cursor says what was at one moment. */
export class Timeline {
  readonly #root = byId("timeline", HTMLElement);
  readonly #canvas = byId("strips", HTMLCanvasElement);
  readonly #legend = byId("legend", HTMLElement);
  readonly #moment = byId("moment", HTMLElement);
  #model: Model | null = null;
  /** The moment under the cursor; null where it is not set. */
  #cursor: number | null = null;
  #drawn = -Infinity;
  #expected = false;

  /** @param seek Called with a moment that somebody chose, in milliseconds of the source. */
  constructor(private readonly recorder: Recorder, private readonly seek: (time: number) => void) {
    const canvas = this.#canvas;
    canvas.addEventListener("pointermove", (event) => this.#point(this.#timeAt(event.offsetX)));
    canvas.addEventListener("pointerleave", () => this.#point(null));
    canvas.addEventListener("click", (event) => this.seek(this.#timeAt(event.offsetX)));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#point(null));
    byId("save-csv", HTMLButtonElement).addEventListener("click", () => this.#save("csv"));
    byId("save-json", HTMLButtonElement).addEventListener("click", () => this.#save("json"));
    new ResizeObserver(() => this.#draw()).observe(this.#root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** The model that reads faces from now on. */
  set model(model: Model) {
    this.#model = model;
    this.#legend.replaceChildren(
      ...model.labels.map((label, index) => {
        const item = make("li");
        const swatch = make("span", "swatch");
        swatch.style.background = colour(index);
        item.append(swatch, word(label));
        return item;
      }),
    );
    this.clear();
  }

  /** Whether people may be seen soon, for whom the place is kept. */
  set expected(on: boolean) {
    this.#expected = on;
    this.#draw();
  }

  /** Draw anew, where the last time is long enough ago. */
  update(): void {
    const now = performance.now();
    if (now - this.#drawn < EVERY) return;
    this.#drawn = now;
    this.#draw();
  }

  /** Forget everything, as when another source begins. */
  clear(): void {
    this.recorder.clear();
    this.#cursor = null;
    this.#draw();
  }

  #save(kind: "csv" | "json"): void {
    if (!this.#model) return;
    const text = kind === "csv" ? asCsv(this.recorder, this.#model) : asJson(this.recorder, this.#model);
    save(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }), stamped("expressions", kind));
  }

  #timeAt(x: number): number {
    return this.recorder.now - SPAN + (x / Math.max(1, this.#canvas.clientWidth)) * SPAN;
  }

  #key(event: KeyboardEvent): void {
    const { now } = this.recorder;
    const by = { ArrowLeft: -JUMP, ArrowRight: JUMP, PageUp: -10 * JUMP, PageDown: 10 * JUMP }[event.key];
    const to = event.key === "Home" ? now - SPAN : event.key === "End" ? now : by && (this.#cursor ?? now) + by;
    if (to === undefined) return;
    event.preventDefault();
    const time = Math.max(now - SPAN, Math.min(now, to));
    this.#point(time);
    this.seek(time);
  }

  #point(time: number | null): void {
    this.#cursor = time;
    this.#draw();
  }

  #draw(): void {
    const { people, now } = this.recorder;
    this.#root.hidden = people.size === 0 && !this.#expected;
    if (this.#root.hidden) return;
    const strips = [...people].filter(([, samples]) => samples.at(-1)!.time > now - SPAN).slice(-STRIPS);
    const canvas = this.#canvas;
    const strip = (HEIGHT + GAP) / Math.max(1, strips.length) - GAP;
    const number = Math.min(NUMBER, strip);
    const ratio = window.devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    const context = canvas.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const width = canvas.clientWidth;
    const x = (time: number): number => ((time - now + SPAN) / SPAN) * width;
    strips.forEach(([track, samples], index) => {
      const top = index * (strip + GAP);
      context.fillStyle = style.getPropertyValue("--track");
      context.fillRect(0, top, width, strip);
      for (const visit of visits(samples)) this.#stack(context, visit, x, top, strip);
      context.fillStyle = style.getPropertyValue("--ink");
      context.font = `600 ${number}px system-ui, sans-serif`;
      context.textAlign = "left";
      context.textBaseline = "top";
      context.fillText(String(track), 4, top + Math.min(3, (strip - number) / 2));
    });
    if (this.#cursor !== null) {
      context.fillStyle = style.getPropertyValue("--ink");
      context.fillRect(x(this.#cursor) - 0.75, 0, 1.5, HEIGHT);
    }
    this.#tell(strips.map(([track]) => track));
  }

  #stack(context: CanvasRenderingContext2D, samples: readonly Sample[], x: (time: number) => number, top: number, height: number): void {
    const labels = this.#model?.labels ?? [];
    const below = samples.map(() => 0);
    labels.forEach((label, index) => {
      context.fillStyle = colour(index);
      context.beginPath();
      samples.forEach((sample, place) => context.lineTo(x(sample.time), top + height * (1 - below[place]!)));
      samples.forEach((sample, place) => (below[place]! += sample.probabilities[label] ?? 0));
      for (let place = samples.length - 1; place >= 0; place--) context.lineTo(x(samples[place]!.time), top + height * (1 - below[place]!));
      context.fill();
    });
  }

  /** Say in words what was at the cursor. */
  #tell(tracks: readonly number[]): void {
    const cursor = this.#cursor ?? this.recorder.now;
    const ago = this.#cursor === null ? 0 : Math.round((this.recorder.now - this.#cursor) / 1000);
    const there = tracks.flatMap((track) => {
      const sample = this.recorder.at(track, cursor);
      return sample ? [`${texts.face(track)} ${word(sample.shown)}${sample.certain ? ` ${percent(sample.probabilities[sample.shown] ?? 0)}` : ""}`] : [];
    });
    const text = `${ago === 0 ? texts.now : texts.ago(ago)}: ${there.join(", ") || texts.nobodyThere}`;
    if (this.#moment.textContent !== text) this.#moment.textContent = text;
    this.#canvas.setAttribute("aria-valuenow", String(-ago));
    this.#canvas.setAttribute("aria-valuetext", text);
  }
}

/** A person's samples, apart where they were out of sight. */
function visits(samples: readonly Sample[]): Sample[][] {
  const found: Sample[][] = [];
  for (const sample of samples) {
    const last = found.at(-1);
    if (last && sample.time - last.at(-1)!.time <= BREAK) last.push(sample);
    else found.push([sample]);
  }
  return found;
}
