/**
 * Calls back for each new frame of a video, at most once per screen refresh, until stopped.
 *
 * Where there is no requestVideoFrameCallback, each refresh counts as a frame.
 */
export class Frames {
  #running = 0;

  constructor(private readonly video: HTMLVideoElement) {}

  start(onFrame: () => void): void {
    const run = ++this.#running;
    const next = (): void => {
      if (run !== this.#running) return;
      if (this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && this.video.videoWidth > 0) onFrame();
      this.#request(next);
    };
    this.#request(next);
  }

  stop(): void {
    this.#running++;
  }

  #request(next: () => void): void {
    // TypeScript's types say that it is always there; Firefox has it only since version 132.
    const video = this.video as Partial<Pick<HTMLVideoElement, "requestVideoFrameCallback">>;
    if (video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }
}
