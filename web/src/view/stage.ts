import type { Landmarks } from "../geometry/types";
import type { PublicFace } from "../state";
import { byId, percent } from "./dom";

/** What the stage shows. */
export type Showing = "none" | "camera" | "picture" | "video";

/** The sizes of what is drawn, in CSS pixels. */
const LINE = 3;
const DOT = 2.5;
const TEXT = 15;
const PAD = 6;
/** With several faces, a label wider than this many boxes is replaced by the face's number, which the cards show too. */
const ROOM = 1.5;
/** A picture is kept for display with at most this many pixels on its longest side. */
const LONGEST = 1920;

/** The frame: video or picture, and over it boxes, landmarks and labels. */
export class Stage {
  readonly video = byId("video", HTMLVideoElement);
  readonly #root = byId("stage", HTMLElement);
  readonly #picture = byId("picture", HTMLCanvasElement);
  readonly #overlay = byId("overlay", HTMLCanvasElement);
  #showing: Showing = "none";
  #mirrored = true;
  #last: { faces: readonly PublicFace[]; width: number; height: number } | null = null;

  constructor() {
    new ResizeObserver(() => this.#redraw()).observe(this.#root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  /** Switch between nothing, the camera and a picture. */
  show(showing: Showing): void {
    this.#showing = showing;
    this.#root.dataset["source"] = showing;
    if (showing === "none") this.#root.style.aspectRatio = "";
    this.#last = null;
    this.#redraw();
  }

  /** Mirror the camera's picture, or show it as it is. */
  mirror(on: boolean): void {
    this.#mirrored = on;
    this.#root.classList.toggle("mirrored", on);
    this.video.setAttribute("aria-label", on ? "Your camera, mirrored" : "Your camera");
    this.#redraw();
  }

  /** Show a picture; the bitmap stays the caller's. */
  showPicture(bitmap: ImageBitmap): void {
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    this.#picture.width = Math.max(1, Math.round(bitmap.width * scale));
    this.#picture.height = Math.max(1, Math.round(bitmap.height * scale));
    this.#picture.getContext("2d")?.drawImage(bitmap, 0, 0, this.#picture.width, this.#picture.height);
    this.show("picture");
  }

  /** Draw faces over a picture of this size; coordinates are its pixels. */
  draw(faces: readonly PublicFace[], width: number, height: number): void {
    this.#root.style.aspectRatio = `${width} / ${height}`;
    this.#last = { faces, width, height };
    this.#redraw();
  }

  /** The picture as it is seen, mirrored or not, with what is drawn over it, as a PNG file. */
  async snapshot(): Promise<Blob> {
    const shown = this.#showing === "picture" ? this.#picture : this.video;
    const [width, height] = shown === this.video ? [this.video.videoWidth, this.video.videoHeight] : [this.#picture.width, this.#picture.height];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d")!;
    if (this.#showing === "camera" && this.#mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
    context.drawImage(shown, 0, 0, width, height);
    context.resetTransform();
    // What is drawn over it lies where `object-fit: contain` lays the picture out.
    const overlay = this.#overlay;
    const scale = Math.min(overlay.width / width, overlay.height / height);
    const [left, top] = [(overlay.width - width * scale) / 2, (overlay.height - height * scale) / 2];
    context.drawImage(overlay, left, top, width * scale, height * scale, 0, 0, width, height);
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** Show that what is held over the page can be dropped. */
  hover(on: boolean): void {
    this.#root.classList.toggle("dragging", on);
  }

  #redraw(): void {
    const { clientWidth, clientHeight } = this.#root;
    const ratio = window.devicePixelRatio;
    this.#overlay.width = Math.round(clientWidth * ratio);
    this.#overlay.height = Math.round(clientHeight * ratio);
    const context = this.#overlay.getContext("2d");
    if (!context || !this.#last) return;
    context.scale(ratio, ratio);
    const { faces, width, height } = this.#last;
    // As `object-fit: contain` lays the picture out.
    const scale = Math.min(clientWidth / width, clientHeight / height);
    const [left, top] = [(clientWidth - width * scale) / 2, (clientHeight - height * scale) / 2];
    const mirrored = this.#showing === "camera" && this.#mirrored;
    const place = { x: (x: number): number => left + (mirrored ? width - x : x) * scale, y: (y: number): number => top + y * scale };
    const style = getComputedStyle(document.documentElement);
    const certain = { line: style.getPropertyValue("--accent"), text: style.getPropertyValue("--on-accent") };
    const doubtful = { line: style.getPropertyValue("--doubt"), text: style.getPropertyValue("--on-doubt") };
    for (const face of faces) drawFace(context, face, place, scale, face.certain ? certain : doubtful, { width: clientWidth, mirrored, alone: faces.length === 1 });
  }
}

interface Place {
  x(x: number): number;
  y(y: number): number;
}

function drawFace(
  context: CanvasRenderingContext2D,
  { box, landmarks, shown, certain, reason, probabilities, track }: PublicFace,
  place: Place,
  scale: number,
  colors: { line: string; text: string },
  frame: { width: number; mirrored: boolean; alone: boolean },
): void {
  const left = place.x(frame.mirrored ? box.x + box.width : box.x);
  const top = place.y(box.y);
  context.strokeStyle = context.fillStyle = colors.line;
  context.lineWidth = LINE;
  context.setLineDash(certain ? [] : [3 * LINE, 2 * LINE]);
  context.beginPath();
  context.roundRect(left, top, box.width * scale, box.height * scale, 8);
  context.stroke();
  // Where a face is not read its landmarks are as doubtful.
  if (landmarks && (certain || reason === "undecided")) drawLandmarks(context, landmarks, place);
  context.font = `600 ${TEXT}px system-ui, sans-serif`;
  const full = certain ? `${shown} ${percent(probabilities[shown] ?? 0)}` : shown;
  const fits = frame.alone || context.measureText(full).width <= ROOM * box.width * scale;
  const text = fits ? full : String(track);
  const width = context.measureText(text).width + 2 * PAD;
  const height = TEXT + 2 * PAD;
  const x = Math.max(0, Math.min(left - LINE / 2, frame.width - width));
  const y = Math.max(0, top - height - LINE);
  context.fillStyle = colors.line;
  context.beginPath();
  context.roundRect(x, y, width, height, 6);
  context.fill();
  context.fillStyle = colors.text;
  context.textBaseline = "middle";
  context.fillText(text, x + PAD, y + height / 2 + 1);
}

function drawLandmarks(context: CanvasRenderingContext2D, landmarks: Landmarks, place: Place): void {
  for (const [x, y] of landmarks) {
    context.beginPath();
    context.arc(place.x(x), place.y(y), DOT, 0, 2 * Math.PI);
    context.fill();
  }
}
