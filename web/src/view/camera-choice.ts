import type { CameraDevice } from "../source/camera";
import { byId, make } from "./dom";

/** What a person chooses about the camera while it runs: which one, and whether its picture is mirrored. */
export class CameraChoice {
  readonly #root = byId("camera-choice", HTMLElement);
  readonly #label = byId("camera-label", HTMLElement);
  readonly #select = byId("camera", HTMLSelectElement);
  readonly #mirror = byId("mirror", HTMLInputElement);

  /**
   * @param chosen Called with the id of the camera to use.
   * @param mirrored Called when the mirror is switched.
   */
  constructor(chosen: (id: string) => void, mirrored: (on: boolean) => void) {
    this.#select.addEventListener("change", () => chosen(this.#select.value));
    this.#mirror.addEventListener("change", () => mirrored(this.#mirror.checked));
  }

  /** Show the cameras that there are; a list of one is no choice. */
  show(devices: readonly CameraDevice[], used: string | null): void {
    this.#select.replaceChildren(
      ...devices.map(({ id, name }) => {
        const option = make("option", "", name);
        option.value = id;
        option.selected = id === used;
        return option;
      }),
    );
    this.#label.hidden = devices.length < 2;
  }

  /** Whether the picture is to be mirrored. */
  get mirrored(): boolean {
    return this.#mirror.checked;
  }

  set mirrored(on: boolean) {
    this.#mirror.checked = on;
  }

  /** Show the choices, or hide them while no camera runs. */
  set shown(on: boolean) {
    this.#root.hidden = !on;
  }
}
