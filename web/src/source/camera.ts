import { texts } from "../texts";

/** An error for a camera that cannot be used, in words for the user. */
export class CameraError extends Error {
  /** `reason` is for programs, the message for people. */
  constructor(
    readonly reason: "insecure" | "unsupported" | "denied" | "missing" | "busy" | "failed",
    message: string,
  ) {
    super(message);
  }
}

/** A size of the camera's picture, in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The sizes to choose from, the usual one first. More pixels cost time and find faces that are further away. */
export const SIZES: readonly [Size, ...Size[]] = [
  { width: 640, height: 480 },
  { width: 320, height: 240 },
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
];

/** A camera that may be chosen. */
export interface CameraDevice {
  readonly id: string;
  readonly name: string;
}

/** The webcam, shown in a video element. */
export class Camera {
  #stream: MediaStream | null = null;
  #asked = 0;

  constructor(private readonly video: HTMLVideoElement) {}

  /**
   * Ask for the camera and play it.
   *
   * @param wanted The id of the camera; null takes the one that looks at its user.
   * @param size What to ask for; a camera that does not have it gives what is nearest to it.
   * @param ended Called when the camera goes away by itself: unplugged, or taken back by the browser.
   * @returns False when `stop` was called while the browser was asking.
   * @throws CameraError
   */
  async start(wanted: string | null, size: Size, ended: () => void): Promise<boolean> {
    this.stop();
    const asked = this.#asked;
    const stream = await request(wanted, size);
    if (asked !== this.#asked) {
      release(stream);
      return false;
    }
    this.#stream = stream;
    for (const track of stream.getVideoTracks()) track.addEventListener("ended", ended, { once: true });
    this.video.srcObject = stream;
    try {
      await this.video.play();
    } catch {
      if (asked !== this.#asked) return false;
      this.stop();
      throw new CameraError("failed", texts.camera.black);
    }
    return asked === this.#asked;
  }

  /**
   * Let the camera rest, or go on after it did.
   *
   * A disabled track gives black pictures, and browsers may release a camera whose tracks are all disabled:
   * https://www.w3.org/TR/mediacapture-streams/#track-enabled. The video is paused as well, since it would otherwise
   * begin again with a black picture.
   */
  rest(resting: boolean): void {
    if (!this.#stream) return;
    if (resting) this.video.pause();
    for (const track of this.#stream.getVideoTracks()) track.enabled = !resting;
    if (!resting) void this.video.play().catch(() => undefined);
  }

  /** The id of the camera that runs. */
  get used(): string | null {
    return this.#settings?.deviceId ?? null;
  }

  /** Whether the camera that runs looks away from its user, so that nobody expects a mirror. */
  get looksAway(): boolean {
    return this.#settings?.facingMode === "environment";
  }

  get #settings(): MediaTrackSettings | undefined {
    return this.#stream?.getVideoTracks()[0]?.getSettings();
  }

  /** Let go of the camera; its light goes out. */
  stop(): void {
    this.#asked++;
    if (this.#stream) release(this.#stream);
    this.#stream = null;
    this.video.srcObject = null;
  }
}

/** Return the cameras that there are; browsers name them only to a page that was allowed one. */
export async function cameras(): Promise<CameraDevice[]> {
  const devices = await (navigator.mediaDevices as MediaDevices | undefined)?.enumerateDevices();
  return (devices ?? [])
    .filter(({ kind, deviceId }) => kind === "videoinput" && deviceId)
    .map(({ deviceId, label }, index) => ({ id: deviceId, name: label || texts.cameraNumber(index + 1) }));
}

/** Tell when a camera was plugged in or out. */
export function onCamerasChanged(changed: () => void): void {
  (navigator.mediaDevices as MediaDevices | undefined)?.addEventListener("devicechange", changed);
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

async function request(wanted: string | null, { width, height }: Size): Promise<MediaStream> {
  if (!window.isSecureContext) {
    throw new CameraError("insecure", texts.camera.insecure);
  }
  // TypeScript's types say that it is always there; old browsers and some embedded views lack it.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices?.getUserMedia) {
    throw new CameraError("unsupported", texts.camera.unsupported);
  }
  try {
    const which: MediaTrackConstraints = wanted === null ? { facingMode: "user" } : { deviceId: { exact: wanted } };
    return await devices.getUserMedia({ video: { width: { ideal: width }, height: { ideal: height }, ...which }, audio: false });
  } catch (error) {
    throw explained(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The errors of getUserMedia, https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. */
function explained({ name, message }: Error): CameraError {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CameraError("denied", texts.camera.denied);
    case "NotFoundError":
    case "OverconstrainedError":
      return new CameraError("missing", texts.camera.missing);
    case "NotReadableError":
    case "AbortError":
      return new CameraError("busy", texts.camera.busy);
    default:
      return new CameraError("failed", texts.camera.failed(message || name));
  }
}
