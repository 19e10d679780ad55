import type { PublicFace } from "../state";
import { byId, make, percent } from "./dom";
import { ADVICE } from "./words";

interface Card {
  readonly root: HTMLLIElement;
  readonly title: HTMLElement;
  readonly advice: HTMLElement;
  readonly bars: HTMLElement;
  readonly rows: ReadonlyMap<string, { name: HTMLElement; bar: HTMLElement; fill: HTMLElement; share: HTMLElement }>;
}

/** The list of faces, each with bars of all classes, or with the reason for which it is not read. Cards are kept by track, so that bars move and do not jump. */
export class Cards {
  readonly #list = byId("faces", HTMLOListElement);
  readonly #cards = new Map<number, Card>();
  #labels: readonly string[] = [];

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
      this.#cards.delete(track);
    }
    for (const face of faces) {
      let card = this.#cards.get(face.track);
      if (!card) {
        card = this.#build();
        this.#cards.set(face.track, card);
        this.#list.append(card.root);
      }
      fill(card, face);
    }
  }

  #build(): Card {
    const root = make("li", "face");
    const heading = make("h2");
    const title = make("span");
    const track = make("span");
    heading.append(title, track);
    const advice = make("p", "advice");
    const grid = make("div", "bars");
    const rows = new Map(
      this.#labels.map((label) => {
        const row = { name: make("span", "", label), bar: make("div", "bar"), fill: make("div"), share: make("span", "share") };
        row.bar.append(row.fill);
        grid.append(row.name, row.bar, row.share);
        return [label, row] as const;
      }),
    );
    root.append(heading, advice, grid);
    return { root, title: heading, advice, bars: grid, rows };
  }
}

function fill({ root, title, advice, bars, rows }: Card, { shown, certain, reason, track, probabilities }: PublicFace): void {
  const [name, number] = title.children;
  if (name) name.textContent = shown;
  if (number) number.textContent = `face ${track}`;
  root.classList.toggle("doubtful", !certain);
  advice.hidden = reason === null;
  advice.textContent = reason === null ? "" : ADVICE[reason];
  // Bars would be the guess that the reason stands in place of.
  bars.hidden = reason !== null && reason !== "undecided";
  for (const [key, row] of rows) {
    const share = probabilities[key] ?? 0;
    const top = certain && key === shown;
    row.fill.style.width = `${share * 100}%`;
    row.share.textContent = percent(share);
    for (const element of [row.name, row.bar, row.share]) element.classList.toggle("top", top);
  }
}
