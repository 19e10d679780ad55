import { byLabel, type PublicFace, publicFace, type Verdict } from "../state";
import type { Light } from "../vision/light";
import type { Quality } from "../vision/quality";
import type { Reading, Sight } from "../worker/protocol";
import { Baseline, neutralOf, type Resting } from "./baseline";
import { type Doubt, doubtOf } from "./doubt";
import { Smoothing } from "./smoothing";
import { Word, wordFor } from "./word";

/** The word for a face whose classes are too close. */
export const UNSURE = "unsure";

/** What the view shows of a picture. */
export interface View {
  /** The faces with this picture's own probabilities, as other scripts see them. */
  readonly faces: readonly PublicFace[];
  /** The same faces with the averaged probabilities of a moving picture. */
  readonly averaged: readonly PublicFace[];
  /** What is known of the resting face of each of them. */
  readonly resting: readonly AtRest[];
  /** What was last shown of those who are out of sight and may come back. */
  readonly waiting: readonly PublicFace[];
  readonly light: Light | null;
}

/** Whether a person's resting face is taken off, or watched. */
export interface AtRest {
  readonly state: Resting;
  /** How much of the watching is done, 0–1. */
  readonly done: number;
  /** The classes that are lowered. */
  readonly lowered: readonly string[];
}

const NOT_ASKED: AtRest = { state: "off", done: 0, lowered: [] };

interface Person {
  readonly probabilities: Smoothing<string>;
  readonly quality: Smoothing<keyof Quality>;
  readonly word: Word;
  baseline: Baseline | null;
  doubt: Doubt | null;
  /** What was last shown. */
  shown: PublicFace | null;
}

/** Remembers of each person in a moving picture what it needs to show them steadily. */
export class People {
  #people = new Map<number, Person>();

  /**
   * Take in a frame of a moving picture.
   *
   * @param labels The classifier's labels, in the order of a reading's probabilities.
   * @param time When the frame was taken, in milliseconds.
   */
  moving({ faces, waiting, light }: Sight, labels: readonly string[], time: number): View {
    const known = new Set([...waiting, ...faces.map(({ track }) => track)]);
    for (const track of this.#people.keys()) if (!known.has(track)) this.#people.delete(track);
    const shown = faces.map((face) => this.#next(face, labels, time));
    return {
      faces: Object.freeze(shown.map(({ own }) => own)),
      averaged: shown.map(({ averaged }) => averaged),
      resting: faces.map(({ track }) => this.#people.get(track)?.baseline ?? NOT_ASKED),
      waiting: waiting.flatMap((track) => this.#people.get(track)?.shown ?? []),
      light,
    };
  }

  /** Take in a single picture, whose values stand for themselves. */
  still({ faces, light }: Sight, labels: readonly string[]): View {
    const shown = faces.map((face) => {
      const probabilities = byLabel(face, labels);
      return publicFace(face, probabilities, verdict(doubtOf(face.quality, null), wordFor(probabilities), false));
    });
    return { faces: Object.freeze(shown), averaged: shown, resting: faces.map(() => NOT_ASKED), waiting: [], light };
  }

  /**
   * Watch a person's resting face from now on and then take it off what is shown; or no longer do so.
   *
   * @param labels The classifier's labels; without one for neutral nothing happens.
   */
  rest(track: number, on: boolean, labels: readonly string[]): void {
    const person = this.#people.get(track);
    const neutral = neutralOf(labels);
    if (person && neutral !== null) person.baseline = on ? new Baseline(neutral) : null;
  }

  /** Forget everybody, when the source changes. */
  reset(): void {
    this.#people.clear();
  }

  #next(face: Reading, labels: readonly string[], time: number): { own: PublicFace; averaged: PublicFace } {
    const person = this.#people.get(face.track) ?? newcomer();
    this.#people.set(face.track, person);
    const own = byLabel(face, labels);
    person.doubt = doubtOf(person.quality.add(face.quality, time), person.doubt);
    person.baseline?.watch(person.doubt === null ? own : null, time);
    const averaged = person.probabilities.add(person.baseline?.off(own) ?? own, time);
    const says = verdict(person.doubt, person.word.next(averaged), person.baseline?.state === "on");
    person.shown = publicFace(face, averaged, says);
    return { own: publicFace(face, own, says), averaged: person.shown };
  }
}

function newcomer(): Person {
  return {
    probabilities: new Smoothing(),
    quality: new Smoothing(),
    word: new Word(),
    baseline: null,
    doubt: null,
    shown: null,
  };
}

/** What is shown: why the face is not read, or else the word, or else that there is none. */
function verdict(doubt: Doubt | null, word: string | null, rested: boolean): Verdict {
  if (doubt !== null) return { shown: doubt, certain: false, reason: doubt, rested };
  if (word === null) return { shown: UNSURE, certain: false, reason: "undecided", rested };
  return { shown: word, certain: true, reason: null, rested };
}
