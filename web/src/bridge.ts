import source from "fer:worker";

import type { Models } from "./models";
import { otherBackends } from "./other-backends";
import type { BackendName, Explanation, Look, Ready, Reply, Request, Sight } from "./worker/protocol";

/** How long the worker may take to start, or for one picture, before it counts as stuck, in milliseconds. */
const PATIENCE = 60_000;

/** The backend that the worker's own script has. */
const OWN: BackendName = "wasm";

/** The backend that was asked for, or any, does not work here. */
export class NoBackendError extends Error {}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
  /** Ends the waiting when the worker is stuck. */
  readonly timer: number;
}

/**
 * The page's only way to the worker: one picture in flight at a time, replies as promises.
 *
 * The worker's script comes as text and runs from a Blob, since a page opened from disk may start no
 * worker from a file.
 */
export class Bridge {
  #worker: Worker;
  #starting: (Waiting<Ready> & { readonly progress: (done: number) => void }) | null = null;
  #looking: (Waiting<Sight> & { readonly id: number }) | null = null;
  readonly #explaining = new Map<number, Waiting<Explanation>>();
  #dead: Error | null = null;
  #id = 0;

  constructor() {
    this.#worker = this.#make([source]);
  }

  /** Whether a picture is in flight. */
  get busy(): boolean {
    return this.#looking !== null;
  }

  /**
   * Load the models and compare them with their golden pictures. To be called once.
   *
   * @param backend The only one to use; null takes the first that works.
   * @param progress Called with the share that is done, 0–1.
   * @throws NoBackendError The backend, or any, does not work here.
   * @throws Error A model cannot be read, or the worker is stuck.
   */
  async start(backend: BackendName | null, models: Models, progress: (done: number) => void): Promise<Ready> {
    if (backend !== null && backend !== OWN) {
      await this.#addBackends(`${backend}: not available here`);
      return this.#start(backend, models, progress);
    }
    try {
      return await this.#start(backend, models, progress);
    } catch (error) {
      if (!(error instanceof NoBackendError) || backend === OWN) throw error;
      await this.#addBackends(error.message);
      return this.#start(backend, models, progress);
    }
  }

  /** Begin again with a worker that has the other backends too; `why` begins the error where it cannot have them. */
  async #addBackends(why: string): Promise<void> {
    const others = await otherBackends().catch((missing: unknown) => {
      throw new NoBackendError(`${why}: ${missing instanceof Error ? missing.message : String(missing)}`);
    });
    this.#worker.terminate();
    this.#worker = this.#make([others, "\n", source]);
    this.#dead = null;
  }

  #start(backend: BackendName | null, models: Models, progress: (done: number) => void): Promise<Ready> {
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject, progress, timer: this.#patience() };
      this.#send({ kind: "start", backend, models }, []);
    });
  }

  /**
   * Find and read the faces in a picture; the bitmap is handed over.
   *
   * @throws Error A picture is in flight already, the worker cannot cope with this one, or it is stuck.
   */
  look(bitmap: ImageBitmap, { mode, fresh, still, time }: Omit<Look, "kind" | "id" | "bitmap">): Promise<Sight> {
    if (this.#dead || this.#looking) {
      bitmap.close();
      return Promise.reject(this.#dead ?? new Error("one picture at a time"));
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      this.#looking = { resolve, reject, id, timer: this.#patience() };
      this.#send({ kind: "look", id, bitmap, mode, fresh, still, time }, [bitmap]);
    });
  }

  /**
   * Say from where in the last crop of a face a class is read; also while a picture is in flight.
   *
   * @throws Error The face is gone, or the worker is.
   */
  explain(track: number, label: number): Promise<Explanation> {
    if (this.#dead) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      this.#explaining.set(id, { resolve, reject, timer: this.#patience() });
      this.#send({ kind: "explain", id, track, label }, []);
    });
  }

  /** End the worker; what it was asked is never answered. */
  close(): void {
    this.#die(new Error("this model was put aside"));
  }

  #make(parts: string[]): Worker {
    const url = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
    const worker = new Worker(url, { name: "fer" });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#receive(data);
    worker.onerror = (event) => this.#die(gone(`the worker failed: ${event.message || "it could not start"}`));
    // Revoking at once would race with the worker's reading of it.
    setTimeout(() => URL.revokeObjectURL(url), PATIENCE);
    return worker;
  }

  #patience(): number {
    return window.setTimeout(() => this.#die(gone("the worker no longer answers")), PATIENCE);
  }

  #send(request: Request, transfer: Transferable[]): void {
    this.#worker.postMessage(request, transfer);
  }

  #receive(reply: Reply): void {
    if (reply.kind === "progress") {
      this.#starting?.progress(reply.done);
    } else if (reply.kind === "ready") {
      clearTimeout(this.#starting?.timer);
      this.#starting?.resolve(reply);
      this.#starting = null;
    } else if (reply.kind === "failed" && reply.id === null) {
      this.#die(reply.noBackend ? new NoBackendError(reply.reason) : new Error(reply.reason));
    } else if (this.#explaining.has(reply.id!)) {
      const { resolve, reject, timer } = this.#explaining.get(reply.id!)!;
      clearTimeout(timer);
      this.#explaining.delete(reply.id!);
      if (reply.kind === "explanation") resolve(reply);
      else if (reply.kind === "failed") reject(new Error(reply.reason));
    } else if (this.#looking && reply.id === this.#looking.id) {
      const { resolve, reject, timer } = this.#looking;
      clearTimeout(timer);
      this.#looking = null;
      if (reply.kind === "sight") resolve(reply);
      else if (reply.kind === "failed") reject(new Error(reply.reason));
    }
  }

  #die(error: Error): void {
    this.#dead = error;
    this.#worker.terminate();
    clearTimeout(this.#starting?.timer);
    clearTimeout(this.#looking?.timer);
    this.#starting?.reject(error);
    this.#looking?.reject(error);
    this.#starting = this.#looking = null;
    for (const { reject, timer } of this.#explaining.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#explaining.clear();
  }
}

/** Make the error for a worker that has ended or is stuck, which only a reload of the page mends. */
function gone(reason: string): Error {
  return new Error(`${reason}; reload the page to start again`);
}
