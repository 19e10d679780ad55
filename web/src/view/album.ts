import { texts } from "../texts";
import { byId } from "./dom";

/** Several pictures that were opened together: one is shown, and two buttons and the arrow keys turn to the others. */
export class Album {
  readonly #root = byId("album", HTMLElement);
  readonly #place = byId("album-place", HTMLElement);
  readonly #previous = byId("previous", HTMLButtonElement);
  readonly #next = byId("next", HTMLButtonElement);
  #files: readonly File[] = [];
  #shown = 0;

  /** @param open Called with the picture to show. */
  constructor(private readonly open: (file: File) => void) {
    this.#previous.addEventListener("click", () => this.#turn(-1));
    this.#next.addEventListener("click", () => this.#turn(1));
    document.addEventListener("keydown", ({ key, target }) => {
      if (this.#root.hidden || target instanceof HTMLInputElement) return;
      if (key === "ArrowLeft") this.#turn(-1);
      if (key === "ArrowRight") this.#turn(1);
    });
  }

  /** Show the first of these pictures; the ones before are forgotten. */
  show(files: readonly File[]): void {
    this.#files = files;
    this.#shown = 0;
    this.#turn(0);
  }

  /** Forget the pictures. */
  close(): void {
    this.#files = [];
    this.#root.hidden = true;
  }

  #turn(by: number): void {
    const place = this.#shown + by;
    const file = this.#files[place];
    if (!file) return;
    this.#shown = place;
    this.#root.hidden = this.#files.length < 2;
    this.#place.textContent = texts.placeOf(place + 1, this.#files.length);
    this.#place.title = file.name;
    // A disabled button would lose the focus, so at either end it only says that it is.
    this.#previous.ariaDisabled = String(place === 0);
    this.#next.ariaDisabled = String(place === this.#files.length - 1);
    this.open(file);
  }
}
