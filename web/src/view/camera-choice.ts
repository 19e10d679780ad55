import { type CameraDevice, type Size, SIZES } from "../source/camera";
import { byId, make } from "./dom";

/** What a person chooses about the camera while it runs: which one, how large its picture is, and whether it is mirrored. */
export class CameraChoice {
  readonly #root = byId("camera-choice", HTMLElement);
  readonly #label = byId("camera-label", HTMLElement);
  readonly #select = byId("camera", HTMLSelectElement);
  readonly #size = byId("resolution", HTMLSelectElement);
  readonly #mirror = byId("mirror", HTMLInputElement);

  /**
   * @param chosen Called with the id of the camera to use; null for the one that is used.
   * @param mirrored Called when the mirror is switched.
   */
  constructor(chosen: (id: string | null) => void, mirrored: (on: boolean) => void) {
    this.#size.replaceChildren(
      ...SIZES.map(({ width, height }, index) => Object.assign(make("option", "", `${width} × ${height}`), { value: String(index) })),
    );
    this.#size.addEventListener("change", () => chosen(null));
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

  /** How large the picture is to be. */
  get size(): Size {
    return SIZES[Number(this.#size.value)] ?? SIZES[0];
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
