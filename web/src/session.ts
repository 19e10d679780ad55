import { Bridge, NoBackendError } from "./bridge";
import { type Models, packagedModels, type PackedModel } from "./models";
import { Camera, type Size } from "./source/camera";
import { Frames } from "./source/frames";
import { decode } from "./source/picture";
import { VideoFile } from "./source/video-file";
import { frozen, NOBODY, type State } from "./state";
import { People, type View } from "./steady/people";
import { texts } from "./texts";
import type { BackendName, Explanation, Mode, Ready, Sight } from "./worker/protocol";

/** The calls by which a session tells the view what happened. */
export interface Listener {
  source(source: State["source"]): void;
  picture(bitmap: ImageBitmap): void;
  /** What a picture of this size showed; `time` is the source's in milliseconds where it moves, else null. */
  seen(view: View, width: number, height: number, time: number | null): void;
  fps(value: number): void;
  /** What a picture took. */
  took(times: Pick<Sight, "milliseconds" | "stages">): void;
  error(message: string | null): void;
  /** The browser asks its user for the camera. */
  asking(): void;
  /** A share of the models is loaded, 0–1; 1 also where they could not be loaded. */
  loading(done: number): void;
}

/** Gives the classifier. */
type Classifier = () => Promise<PackedModel>;
/** Chooses the backend for these models; null takes the first that works. */
type Choose = (models: Models) => Promise<BackendName | null>;

/** Over how long the speed is averaged, in milliseconds. */
const SPAN = 1500;
/** How far a video may jump on with its people followed, in seconds. */
const NEAR = 0.5;

/** Feeds camera frames or a picture to the worker, one in flight, and keeps the state. */
export class Session {
  #bridge = new Bridge();
  readonly #camera: Camera;
  readonly #frames: Frames;
  /** The video file that is open. */
  readonly film: VideoFile;
  readonly #people = new People();
  #labels: readonly string[] = [];
  #loading: Promise<Ready> | null = null;
  /** The change of model or backend that was asked for last. */
  #using: Promise<unknown> = Promise.resolve();
  #models: Models | null = null;
  /** The backend that was asked for. */
  #backend: BackendName | null = null;
  #times: number[] = [];
  /** Whether a picture came while another was in flight. */
  #missed = false;
  /** Where the film stood at the last picture that was read, in seconds. */
  #filmTime = 0;
  #fresh = true;
  /** Counts changes of source; a result that belongs to an earlier source is dropped. */
  #turn = 0;
  /** Counts the pictures that were asked for; one that is decoded after the next was asked for is dropped. */
  #opened = 0;

  constructor(
    private readonly state: State,
    private readonly video: HTMLVideoElement,
    private readonly listener: Listener,
  ) {
    this.#camera = new Camera(video);
    this.#frames = new Frames(video);
    this.film = new VideoFile(video);
    video.addEventListener("seeking", () => this.#jumped());
    // A browser does not always call back for the picture of another place.
    video.addEventListener("seeked", () => {
      if (this.state.source === "video") void this.#frame(this.#turn);
    });
    document.addEventListener("visibilitychange", () => this.#restWhileHidden());
  }

  /**
   * Load the models. Call it once, before anything else.
   *
   * @param classifier Gives the classifier, where it is not the one that came with the page.
   * @param choose Chooses the backend; where that does not work the listener is told, and the first that works is taken.
   */
  load(classifier: Classifier | null, choose: Choose): Promise<Ready> {
    this.#loading = this.#first(classifier, choose);
    return this.#loading;
  }

  /** The models in use. */
  get models(): Models {
    return this.#models ?? packagedModels();
  }

  /**
   * Read faces with another classifier from now on, or on another backend.
   *
   * @param classifier Null keeps the one in use.
   * @param choose Chooses the backend; by default it stays.
   * @returns What is known of it; null where it cannot be used: the listener is told why, and the one before stays.
   */
  use(classifier: Classifier | null, choose: Choose = async () => this.#backend): Promise<Ready | null> {
    // One after the other: each keeps what the one before has changed.
    const used = this.#using.then(() => this.#use(classifier, choose));
    this.#using = used;
    return used;
  }

  async #use(classifier: Classifier | null, choose: Choose): Promise<Ready | null> {
    const bridge = new Bridge();
    try {
      await this.#loading?.catch(() => null);
      const ready = await this.#load(bridge, classifier, choose);
      this.#change("none");
      this.#bridge.close();
      this.#bridge = bridge;
      this.#loading = Promise.resolve(ready);
      return ready;
    } catch (error) {
      bridge.close();
      this.#fail(message(error));
      return null;
    }
  }

  async #first(classifier: Classifier | null, choose: Choose): Promise<Ready> {
    let asked: BackendName | null = null;
    try {
      return await this.#load(this.#bridge, classifier, async (models) => (asked = await choose(models)));
    } catch (error) {
      if (!(error instanceof NoBackendError) || asked === null) throw error;
      this.#bridge.close();
      this.#bridge = new Bridge();
      const ready = await this.#load(this.#bridge, classifier, async () => null);
      this.#fail(`${error.message}. ${texts.speed.inItsPlace(ready.backend)}`);
      return ready;
    }
  }

  async #load(bridge: Bridge, classifier: Classifier | null, choose: Choose): Promise<Ready> {
    const ready = await this.#start(bridge, classifier, choose).finally(() => this.listener.loading(1));
    const { state } = this;
    this.#labels = ready.classifier.labels;
    Object.assign(state, { backend: ready.backend, parity: frozen(ready.parity), tensors: ready.tensors, ready: true });
    return ready;
  }

  async #start(bridge: Bridge, classifier: Classifier | null, choose: Choose): Promise<Ready> {
    const models = classifier ? { ...packagedModels(), classifier: await classifier() } : this.models;
    const backend = await choose(models);
    const ready = await bridge.start(backend, models, (done) => this.listener.loading(done));
    this.#models = models;
    this.#backend = backend;
    return ready;
  }

  /** The camera that runs: its id, and whether it looks away from its user. */
  get camera(): { readonly used: string | null; readonly looksAway: boolean } {
    return this.#camera;
  }

  /**
   * Start the camera; errors go to the listener.
   *
   * @param wanted The id of the camera; null takes the one that looks at its user.
   * @param size The size of its picture.
   */
  async startCamera(wanted: string | null, size: Size): Promise<void> {
    const turn = this.#change("none");
    this.listener.asking();
    try {
      const started = await this.#camera.start(wanted, size, () => {
        this.stop();
        this.#fail(texts.cameraGone);
      });
      if (!started || turn !== this.#turn) return;
    } catch (error) {
      if (turn !== this.#turn) return;
      // Nothing is waited for any more.
      this.#source("none");
      this.#fail(message(error));
      return;
    }
    this.#source("camera");
    this.#restWhileHidden();
    this.#frames.start(() => void this.#frame(turn));
  }

  /**
   * Say from where in a person's picture a class is read.
   *
   * @returns Null where that cannot be told any more: the person is gone, or another source or model is there.
   */
  async explain(track: number, label: string): Promise<Explanation | null> {
    const turn = this.#turn;
    const explanation = await this.#bridge.explain(track, this.#labels.indexOf(label)).catch(() => null);
    return turn === this.#turn ? explanation : null;
  }

  /** Read one picture; errors go to the listener, and what was shown before stays. */
  async open(file: Blob): Promise<void> {
    const request = ++this.#opened;
    let bitmap: ImageBitmap;
    try {
      // A picture may be chosen or dropped while the models are still being read.
      await this.#loading;
      bitmap = await decode(file);
    } catch (error) {
      if (request === this.#opened) this.#fail(message(error));
      return;
    }
    if (request !== this.#opened) {
      bitmap.close();
      return;
    }
    const turn = this.#change("picture");
    this.listener.picture(bitmap);
    // The frame that is still in flight has to come back first.
    while (this.#bridge.busy) await new Promise((resolve) => setTimeout(resolve, 10));
    await this.#look(bitmap, "picture", turn);
  }

  /** Play a video file and read its pictures; errors go to the listener. */
  async openVideo(file: File): Promise<void> {
    this.#opened++;
    const turn = this.#change("none");
    try {
      await this.#loading;
      if (turn !== this.#turn || !(await this.film.open(file)) || turn !== this.#turn) return;
    } catch (error) {
      if (turn === this.#turn) this.#fail(message(error));
      return;
    }
    this.#source("video");
    this.#frames.start(() => void this.#frame(turn));
  }

  /** In another place of a video stand other people, or the same ones elsewhere; one picture on they are the same. */
  #jumped(): void {
    const by = this.video.currentTime - this.#filmTime;
    if (!this.film.opened || (by >= 0 && by < NEAR)) return;
    this.#fresh = true;
    this.#people.reset();
  }

  /** Watch the resting face of a person in a moving picture, to take it off what is shown; or no longer do so. */
  rest(track: number, on: boolean): void {
    this.#people.rest(track, on, this.#labels);
  }

  /** Let go of the camera and forget the faces. */
  stop(): void {
    this.#change("none");
  }

  #change(source: State["source"]): number {
    this.#frames.stop();
    this.#camera.stop();
    this.film.stop();
    this.#filmTime = 0;
    this.#fresh = true;
    this.#people.reset();
    this.#times = [];
    Object.assign(this.state, { faces: NOBODY, light: null, fps: 0, error: null });
    this.listener.fps(0);
    this.listener.error(null);
    this.#source(source);
    return ++this.#turn;
  }

  #source(source: State["source"]): void {
    this.state.source = source;
    this.listener.source(source);
  }

  async #frame(turn: number): Promise<void> {
    if (turn !== this.#turn) return;
    if (this.#bridge.busy) {
      this.#missed = true;
      return;
    }
    this.#missed = false;
    const bitmap = await createImageBitmap(this.video).catch(() => null);
    if (!bitmap) return;
    // While the bitmap was made another frame may have gone out, or the source may have changed.
    if (this.#bridge.busy || turn !== this.#turn) {
      bitmap.close();
      this.#missed = true;
      return;
    }
    await this.#look(bitmap, "camera", turn);
    // A camera's next picture comes by itself; that of a film that stands still does not.
    if (this.#missed && this.film.opened && !this.#bridge.busy) await this.#frame(turn);
  }

  async #look(bitmap: ImageBitmap, mode: Mode, turn: number): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = false;
    try {
      // A film that is stepped through has a time of its own.
      this.#filmTime = this.video.currentTime;
      const time = this.film.opened ? 1000 * this.#filmTime : performance.now();
      const still = mode === "picture" || (this.film.opened && this.video.paused);
      const sight = await this.#bridge.look(bitmap, { mode, fresh, still, time });
      if (turn === this.#turn) this.#seen(sight, mode, time);
      else this.#fresh = true;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.stop();
      this.#fail(texts.readingFailed(message(error)));
    }
  }

  #seen(sight: Sight, mode: Mode, time: number): void {
    const { state } = this;
    const { width, height, tensors, light } = sight;
    const view = mode === "camera" ? this.#people.moving(sight, this.#labels, time) : this.#people.still(sight, this.#labels);
    Object.assign(state, { faces: view.faces, light, tensors, size: Object.freeze({ width, height }) });
    state.frames++;
    this.listener.took(sight);
    if (view.faces.length > 0) state.framesWithFaces++;
    if (mode === "camera") {
      state.fps = this.#speed();
      this.listener.fps(state.fps);
    }
    this.listener.seen(view, width, height, mode === "camera" ? time : null);
  }

  #speed(): number {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < SPAN), now];
    const span = now - (this.#times[0] ?? now);
    return span > 0 ? ((this.#times.length - 1) * 1000) / span : 0;
  }

  /** Pause the camera while the page is hidden, because a browser gives a hidden page no frames. */
  #restWhileHidden(): void {
    this.#times = [];
    this.#camera.rest(document.hidden);
  }

  #fail(text: string): void {
    this.state.error = text;
    this.listener.error(text);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
