import type { PublicFace } from "../state";
import type { AtRest } from "../steady/people";
import { texts, word } from "../texts";
import { byId, make, percent } from "./dom";
import { colour } from "./palette";
import { RestingFace } from "./resting-face";
import { type Ask, Why } from "./why";

/** How many classes the bar of a card has. */
const STACKED = 3;
/** How many cards are shown at first: of a crowd the rest stays behind a button. */
const MOST = 8;
/** The class of a place whose card has gone. */
const VACANT = "vacant";

interface Card {
  readonly root: HTMLLIElement;
  readonly title: HTMLElement;
  readonly number: HTMLElement;
  readonly advice: HTMLElement;
  /** The most probable classes side by side, and the share of the word. */
  readonly sum: HTMLElement;
  readonly stack: HTMLElement;
  readonly confidence: HTMLElement;
  readonly all: HTMLDetailsElement;
  readonly rest: RestingFace;
  readonly why: Why;
  readonly rows: ReadonlyMap<string, { name: HTMLElement; bar: HTMLElement; fill: HTMLElement; share: HTMLElement }>;
}

/** What a person may ask for in a card. */
export interface Asks {
  /** A person's resting face shall be taken off what is shown, or no longer be. */
  rest(track: number, on: boolean): void;
  /** From where in a face is a class read? */
  readonly explain: Ask;
}

/**
 * The list of faces: a word, the most probable classes as one bar, and all of them to be opened; or the reason for which
 * a face is not read. Cards are kept by track, so that bars move and do not jump; and each has its place: who goes leaves
 * it empty for who comes next, and nobody else moves.
 */
export class Cards {
  readonly #list = byId("faces", HTMLOListElement);
  readonly #cards = new Map<number, Card>();
  readonly #more = byId("more-faces", HTMLButtonElement);
  #labels: readonly string[] = [];
  #whole = false;

  constructor(private readonly asks: Asks) {
    this.#more.addEventListener("click", () => {
      this.#whole = !this.#whole;
      this.#cut();
    });
  }

  /** The classes, in the contract's order. */
  setLabels(labels: readonly string[]): void {
    this.#labels = labels;
    this.clear();
  }

  /**
   * Show these faces, a card for each.
   *
   * @param faces All that are in sight.
   * @param resting What is known of their resting faces; null where they stand still.
   * @param waiting Those who are out of sight and may come back: their cards stay in their places, dimmed.
   */
  show(faces: readonly PublicFace[], resting: readonly AtRest[] | null = null, waiting: readonly PublicFace[] = []): void {
    const tracks = new Set([...faces, ...waiting].map(({ track }) => track));
    for (const [track, card] of this.#cards) {
      if (tracks.has(track)) continue;
      this.#vacate(card.root);
      card.why.close();
      this.#cards.delete(track);
    }
    faces.forEach((face, index) => {
      let card = this.#cards.get(face.track);
      if (!card) {
        card = this.#build(face.track, faces.length === 1);
        this.#cards.set(face.track, card);
        this.#place(card.root);
      }
      fill(card, face, this.#labels);
      lose(card, face.track, false);
      card.rest.show(resting?.[index] ?? null);
    });
    for (const { track } of waiting) {
      const card = this.#cards.get(track);
      if (card) lose(card, track, true);
    }
    this.#cut();
  }

  /** Forget all cards and their places, since what comes next has nothing to do with them. */
  clear(): void {
    this.show([]);
    this.#list.replaceChildren();
    this.#cut();
  }

  /** Put an empty place of its height where a card was. */
  #vacate(card: HTMLElement): void {
    const place = make("li", VACANT);
    place.ariaHidden = "true";
    place.style.height = `${card.offsetHeight}px`;
    card.replaceWith(place);
    // Where no card comes after them, places beyond the first are of no use.
    while (this.#list.childElementCount > MOST && this.#list.lastElementChild!.className === VACANT) this.#list.lastElementChild!.remove();
  }

  /** Put a card into the first empty place, or at the end. */
  #place(card: HTMLElement): void {
    const place = this.#list.querySelector(`:scope > .${VACANT}`);
    if (place) place.replaceWith(card);
    else this.#list.append(card);
  }

  /** Show the first places, or all of them. */
  #cut(): void {
    const more = this.#list.childElementCount - MOST;
    if (more <= 0) this.#whole = false;
    [...this.#list.children].forEach((card, index) => ((card as HTMLElement).hidden = index >= MOST && !this.#whole));
    this.#more.hidden = more <= 0;
    this.#more.setAttribute("aria-expanded", String(this.#whole));
    const text = this.#whole ? texts.fewer : texts.more(more);
    if (more > 0 && this.#more.textContent !== text) this.#more.textContent = text;
  }

  #build(track: number, open: boolean): Card {
    const root = make("li", "face");
    const heading = make("h2");
    const title = make("span");
    const number = make("span");
    heading.append(title, number);
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
        const row = { name: make("span", "", word(label)), bar: make("div", "bar"), fill: make("div"), share: make("span", "share") };
        row.bar.append(row.fill);
        grid.append(row.name, row.bar, row.share);
        return [label, row] as const;
      }),
    );
    all.append(make("summary", "", texts.allClasses), grid);
    const rest = new RestingFace(this.#labels, (on) => this.asks.rest(track, on));
    all.append(rest.root);
    const why = new Why(this.asks.explain);
    const more = make("div", "more");
    more.append(all, why.button, why.panel);
    root.append(heading, sum, advice, more);
    return { root, title, number, advice, sum, stack, confidence, all, rest, why, rows };
  }
}

function fill(card: Card, face: PublicFace, labels: readonly string[]): void {
  const { shown, certain, reason, probabilities } = face;
  const { root, title, advice, sum, stack, confidence, all, why, rows } = card;
  if (title.textContent !== word(shown)) title.textContent = word(shown);
  root.classList.toggle("doubtful", !certain);
  advice.hidden = reason === null;
  advice.textContent = reason === null ? "" : texts.advice[reason];
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

/** Dim the card of a person who is out of sight, or no longer. */
function lose({ root, number }: Card, track: number, lost: boolean): void {
  root.classList.toggle("lost", lost);
  const text = (lost ? texts.outOfSight : texts.face)(track);
  if (number.textContent !== text) number.textContent = text;
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
