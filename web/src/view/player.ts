import { texts } from "../texts";
import { byId } from "./dom";

/** What a player is told by its buttons. */
export interface Playing {
  step(direction: 1 | -1): void;
  seek(time: number): void;
}

/** The buttons of a video file: play and pause, one picture back and on, and where it stands. */
export class Player {
  readonly #root = byId("player", HTMLElement);
  readonly #play = byId("play", HTMLButtonElement);
  readonly #place = byId("play-place", HTMLInputElement);
  readonly #time = byId("play-time", HTMLElement);

  constructor(private readonly video: HTMLVideoElement, playing: Playing) {
    this.#play.addEventListener("click", () => (video.paused ? void video.play() : video.pause()));
    byId("step-back", HTMLButtonElement).addEventListener("click", () => playing.step(-1));
    byId("step-on", HTMLButtonElement).addEventListener("click", () => playing.step(1));
    this.#place.addEventListener("input", () => playing.seek(Number(this.#place.value)));
    for (const event of ["play", "pause", "ended", "timeupdate", "durationchange", "seeked"]) {
      video.addEventListener(event, () => this.#draw());
    }
  }

  /** Show the buttons, or hide them while no video file is open. */
  set shown(on: boolean) {
    this.#root.hidden = !on;
    if (on) this.#draw();
  }

  #draw(): void {
    const { paused, currentTime, duration } = this.video;
    this.#play.textContent = paused ? texts.play : texts.pause;
    // A recording may not say how long it is.
    const known = Number.isFinite(duration);
    this.#place.hidden = !known;
    if (known) {
      this.#place.max = String(duration);
      this.#place.value = String(currentTime);
    }
    this.#time.textContent = known ? `${clock(currentTime)} / ${clock(duration)}` : clock(currentTime);
  }
}

/** Seconds as minutes, seconds and tenths. */
function clock(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}
