import { texts } from "../texts";

/** An error for a file that cannot be played, in words for the user. */
export class VideoError extends Error {}

/** How far one step goes, in seconds: videos do not tell their rate, and few have more than 30 pictures a second. */
const STEP = 1 / 30;

/** Whether a file is meant as a video. */
export function isVideo({ type, name }: File): boolean {
  return type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|ogv|avi)$/i.test(name);
}

/** A video file, shown in a video element; it is never uploaded, and never looped. */
export class VideoFile {
  #url: string | null = null;
  #asked = 0;

  constructor(private readonly video: HTMLVideoElement) {}

  /**
   * Open a file and play it.
   *
   * @returns False when `stop` was called while the browser was reading it.
   * @throws VideoError The browser cannot play it.
   */
  async open(file: File): Promise<boolean> {
    this.stop();
    const asked = this.#asked;
    const { video } = this;
    const url = (this.#url = URL.createObjectURL(file));
    try {
      await new Promise<void>((resolve, reject) => {
        video.onloadeddata = () => resolve();
        video.onerror = () => reject(new VideoError(texts.file.noVideo(file.name)));
        video.src = url;
      });
      if (!Number.isFinite(video.duration)) await measured(video);
      if (asked === this.#asked && video.videoWidth === 0) throw new VideoError(texts.file.soundOnly(file.name));
    } catch (error) {
      if (asked !== this.#asked) return false;
      this.stop();
      throw error;
    }
    if (asked !== this.#asked) return false;
    await video.play().catch(() => undefined); // a browser that plays nothing unasked shows the first picture
    return asked === this.#asked;
  }

  /** Whether a file is open. */
  get opened(): boolean {
    return this.#url !== null;
  }

  /** Go one picture on, or back, and stay there. */
  step(direction: 1 | -1): void {
    this.video.pause();
    this.seek(this.video.currentTime + direction * STEP);
  }

  /** Go to a time, in seconds. */
  seek(time: number): void {
    const { duration } = this.video;
    this.video.currentTime = Math.max(0, Number.isFinite(duration) ? Math.min(time, duration) : time);
  }

  /** Let go of the file. */
  stop(): void {
    this.#asked++;
    const { video } = this;
    video.onloadeddata = video.onerror = null;
    if (this.#url === null) return;
    video.pause();
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(this.#url);
    this.#url = null;
  }
}

/** Let the browser find out how long a recording is that does not say so: it knows when it was asked for the end. */
async function measured(video: HTMLVideoElement): Promise<void> {
  for (const time of [1e9, 0]) {
    await new Promise((resolve) => {
      video.addEventListener("seeked", resolve, { once: true });
      video.currentTime = time;
    });
  }
}
