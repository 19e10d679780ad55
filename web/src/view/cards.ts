import type { PublicFace } from "../state";
import { byId, make, percent } from "./dom";
import { colour } from "./palette";
import { type Ask, Why } from "./why";
import { ADVICE } from "./words";

/** How many classes the bar of a card has. */
const STACKED = 3;

interface Card {
  readonly root: HTMLLIElement;
  readonly title: HTMLElement;
  readonly advice: HTMLElement;
  /** The most probable classes side by side, and the share of the word. */
  readonly sum: HTMLElement;
  readonly stack: HTMLElement;
  readonly confidence: HTMLElement;
  readonly all: HTMLDetailsElement;
  readonly why: Why;
  readonly rows: ReadonlyMap<string, { name: HTMLElement; bar: HTMLElement; fill: HTMLElement; share: HTMLElement }>;
}

/**
 * The list of faces: a word, the most probable classes as one bar, and all of them to be opened; or the reason for which
 * a face is not read. Cards are kept by track, so that bars move and do not jump.
 */
export class Cards {
  readonly #list = byId("faces", HTMLOListElement);
  readonly #cards = new Map<number, Card>();
  #labels: readonly string[] = [];

  /** @param ask Asks from where in a face a class is read. */
  constructor(private readonly ask: Ask) {}

  /** The classes, in the contract's order. */
  setLabels(labels: readonly string[]): void {
    this.#labels = labels;
    this.show([]);
  }

  /** Show these faces, a card for each. */
  show(faces: readonly PublicFace[]): void {
    const tracks = new Set(faces.map(({ track }) => track));
    for (const [track, card] of this.#cards) {
      if (tracks.has(track)) continue;
      card.root.remove();
      card.why.close();
      this.#cards.delete(track);
    }
    for (const face of faces) {
      let card = this.#cards.get(face.track);
      if (!card) {
        card = this.#build(faces.length === 1);
        this.#cards.set(face.track, card);
        this.#list.append(card.root);
      }
      fill(card, face, this.#labels);
    }
  }

  #build(open: boolean): Card {
    const root = make("li", "face");
    const heading = make("h2");
    const title = make("span");
    const track = make("span");
    heading.append(title, track);
    const advice = make("p", "advice");
    const sum = make("div", "sum");
    const stack = make("div", "stack");
    const confidence = make("span", "share");
    sum.append(stack, confidence);
    const all = make("details", "all");
    all.open = open;
    const grid = make("div", "bars");
    const rows = new Map(
      this.#labels.map((label) => {
        const row = { name: make("span", "", label), bar: make("div", "bar"), fill: make("div"), share: make("span", "share") };
        row.bar.append(row.fill);
        grid.append(row.name, row.bar, row.share);
        return [label, row] as const;
      }),
    );
    all.append(make("summary", "", "All classes"), grid);
    const why = new Why(this.ask);
    const more = make("div", "more");
    more.append(all, why.button, why.panel);
    root.append(heading, sum, advice, more);
    return { root, title: heading, advice, sum, stack, confidence, all, why, rows };
  }
}

function fill(card: Card, face: PublicFace, labels: readonly string[]): void {
  const { shown, certain, reason, track, probabilities } = face;
  const { root, title, advice, sum, stack, confidence, all, why, rows } = card;
  const [name, number] = title.children;
  if (name) name.textContent = shown;
  if (number) number.textContent = `face ${track}`;
  root.classList.toggle("doubtful", !certain);
  advice.hidden = reason === null;
  advice.textContent = reason === null ? "" : ADVICE[reason];
  // Bars would be the guess that the reason stands in place of.
  sum.hidden = all.hidden = reason !== null && reason !== "undecided";
  why.update(face, sum.hidden);
  stack.style.background = stacked(probabilities, labels);
  confidence.textContent = certain ? percent(probabilities[shown] ?? 0) : "";
  labels.forEach((label, index) => {
    const row = rows.get(label);
    if (!row) return;
    const share = probabilities[label] ?? 0;
    row.fill.style.transform = `scaleX(${share})`;
    row.fill.style.background = colour(index);
    row.share.textContent = percent(share);
    for (const element of [row.name, row.bar, row.share]) element.classList.toggle("top", certain && label === shown);
  });
}

/** The most probable classes side by side as a background, which moves nothing else. */
function stacked(probabilities: PublicFace["probabilities"], labels: readonly string[]): string {
  const shares = labels.map((label, index) => ({ share: probabilities[label] ?? 0, colour: colour(index) }));
  const most = shares.sort((first, second) => second.share - first.share).slice(0, STACKED);
  let from = 0;
  const stops = most.map(({ share, colour }) => {
    const stop = `${colour} ${(100 * from).toFixed(1)}% ${(100 * (from + share)).toFixed(1)}%`;
    from += share;
    return stop;
  });
  return `linear-gradient(to right, ${stops.join(", ")}, var(--track) ${(100 * from).toFixed(1)}%)`;
}
