import type { Landmarks } from "../geometry/types";
import type { PublicFace } from "../state";
import { texts, word } from "../texts";
import { byId, percent } from "./dom";

/** What the stage shows. */
export type Showing = "none" | "camera" | "picture" | "video";

/** The sizes of what is drawn, in CSS pixels. */
const LINE = 3;
const DOT = 2.5;
const TEXT = 15;
const PAD = 8;
const GAP = 6;
/** A bracket's arm as a share of the box. */
const ARM = 0.22;
const HALO = "rgb(0 0 0 / 0.55)";
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
  /** How each person's pill was placed in the last frame, so that it stays where it is as long as it can. */
  #ways = new Map<number, number>();
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
    this.video.setAttribute("aria-label", on ? texts.yourCameraMirrored : texts.yourCamera);
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
    const certain = { ground: style.getPropertyValue("--accent"), text: style.getPropertyValue("--on-accent") };
    const doubtful = { ground: style.getPropertyValue("--doubt"), text: style.getPropertyValue("--on-doubt") };
    const boxes = faces.map((face) => placed(face, place, scale, mirrored));
    faces.forEach((face, index) => drawFace(context, face, boxes[index]!, place));
    const pills: Rectangle[] = [];
    const before = this.#ways;
    this.#ways = new Map();
    faces.forEach((face, index) => {
      const free = (pill: Rectangle): boolean =>
        pill.x >= 0 && pill.y >= 0 && pill.x + pill.width <= clientWidth && pill.y + pill.height <= clientHeight &&
        pills.every((other) => apart(pill, other)) && boxes.every((box, other) => other === index || apart(pill, box));
      const { pill, way } = drawPill(context, face, boxes[index]!, free, before.get(face.track) ?? 0, face.certain ? certain : doubtful);
      pills.push(pill);
      this.#ways.set(face.track, way);
    });
  }
}

interface Place {
  x(x: number): number;
  y(y: number): number;
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A face's box on the stage. */
function placed({ box }: PublicFace, place: Place, scale: number, mirrored: boolean): Rectangle {
  return { x: place.x(mirrored ? box.x + box.width : box.x), y: place.y(box.y), width: box.width * scale, height: box.height * scale };
}

function apart(first: Rectangle, second: Rectangle): boolean {
  return (
    first.x + first.width <= second.x || second.x + second.width <= first.x ||
    first.y + first.height <= second.y || second.y + second.height <= first.y
  );
}

/** Brackets at the corners, white with a dark halo, so that they stand out of any picture; dashed where a face is not read. */
function drawFace(context: CanvasRenderingContext2D, { landmarks, certain, reason }: PublicFace, box: Rectangle, place: Place): void {
  const arm = Math.max(LINE * 2, Math.min(box.width, box.height) * ARM);
  const [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height];
  context.beginPath();
  for (const [x, y, dx, dy] of [[left, top, 1, 1], [right, top, -1, 1], [right, bottom, -1, -1], [left, bottom, 1, -1]] as const) {
    context.moveTo(x + dx * arm, y);
    context.lineTo(x, y);
    context.lineTo(x, y + dy * arm);
  }
  context.lineJoin = context.lineCap = "round";
  context.setLineDash(certain ? [] : [LINE, 2 * LINE]);
  for (const [colour, width] of [[HALO, LINE + 3], ["white", LINE]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
  context.setLineDash([]);
  // Where a face is not read its landmarks are as doubtful.
  if (landmarks && (certain || reason === "undecided")) drawLandmarks(context, landmarks, place);
}

/**
 * The number and the word on a pill beside the box, where it covers neither another pill nor another face; the number
 * alone where there is no such place, since the cards have the word.
 */
function drawPill(
  context: CanvasRenderingContext2D,
  { shown, certain, probabilities, track }: PublicFace,
  box: Rectangle,
  free: (pill: Rectangle) => boolean,
  before: number,
  colours: { ground: string; text: string },
): { pill: Rectangle; way: number } {
  context.font = `600 ${TEXT}px system-ui, sans-serif`;
  const height = TEXT + 2 * PAD;
  const sized = (text: string): { text: string; width: number } => ({ text, width: context.measureText(text).width + 2 * PAD });
  const full = sized(`${track}  ${word(shown)}${certain ? ` ${percent(probabilities[shown] ?? 0)}` : ""}`);
  const short = sized(`${track}  ${word(shown)}`);
  const number = sized(String(track));
  const places = ({ width }: { width: number }): Rectangle[] => [
    { x: box.x, y: box.y - height - GAP, width, height },
    { x: box.x, y: box.y + box.height + GAP, width, height },
    { x: box.x + box.width - width, y: box.y - height - GAP, width, height },
    { x: box.x + box.width - width, y: box.y + box.height + GAP, width, height },
    { x: box.x + box.width + GAP, y: box.y, width, height },
    { x: box.x - width - GAP, y: box.y, width, height },
  ];
  const ways = [full, short, number].flatMap((label) => places(label).map((pill) => ({ pill, text: label.text })));
  const inside = { pill: { x: Math.max(0, box.x), y: Math.max(0, box.y), width: number.width, height }, text: number.text };
  const way = before < ways.length && free(ways[before]!.pill) ? before : ways.findIndex(({ pill }) => free(pill));
  const { pill, text } = ways[way] ?? inside;
  context.fillStyle = colours.ground;
  context.beginPath();
  context.roundRect(pill.x, pill.y, pill.width, pill.height, height / 2);
  context.fill();
  context.fillStyle = colours.text;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, pill.x + PAD, pill.y + height / 2 + 1);
  return { pill, way: Math.max(0, way) };
}

function drawLandmarks(context: CanvasRenderingContext2D, landmarks: Landmarks, place: Place): void {
  for (const [x, y] of landmarks) {
    context.beginPath();
    context.arc(place.x(x), place.y(y), DOT, 0, 2 * Math.PI);
    context.fillStyle = HALO;
    context.fill();
    context.beginPath();
    context.arc(place.x(x), place.y(y), DOT - 1, 0, 2 * Math.PI);
    context.fillStyle = "white";
    context.fill();
  }
}
