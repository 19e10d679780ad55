import type { Box, Face } from "../geometry/types";
import { type Appearance, agreement, blended } from "./appearance";
import { assign } from "./assignment";
import { centre, Motion, size } from "./motion";

/** For how long a face may be out of sight and keep its number, in milliseconds. */
export const PATIENCE = 3000;
/** A face gets its number when it was seen more than once, and over this time, in milliseconds: no flash of a false face. */
export const BIRTH = 100;

/**
 * How far a face may be from where it was expected, in its own sizes: a head that swings at 1.5 Hz across a third of the
 * picture misses a prediction by 0.7 at 15 frames a second. The longer it was out of sight, the further it may be.
 */
const REACH = 1.2;
const REACH_A_SECOND = 2;
/** By what factor a face may be larger or smaller than expected. */
const GROWTH = 2;
/** A gap up to this, in milliseconds, is bridged by motion alone: a hand before the face changes how it looks. */
const BY_MOTION = 250;
/**
 * What agreement of appearances a face needs that comes back: the first figure where it was expected, the second
 * further away. Two people's agreed by at most 0.63; see `appearance`.
 */
const ALIKE_HERE = 0.2;
const ALIKE_THERE = 0.65;
/** Nearer than this to where it was expected, in its sizes, is "here". */
const HERE = 0.6;
/** How much appearance counts beside distance in the choice between people. */
const WEIGHT_OF_LOOKS = 1.5;
/** Two faces less than this apart, in their mean size, may cover each other. */
const MARGIN = 0.25;
/** Over how long the remembered appearance follows the face, in milliseconds; and how old it may grow before it is looked at again. */
const LOOKS_OVER = 1000;
const LOOKS_AGE = 150;

/** A face and its crop's appearance, which is asked for only where it matters. */
export interface Seen {
  readonly face: Face;
  readonly looks: Appearance;
}

/** A face that has a number; `index` is its place among the faces that `update` was given. */
export interface Tracked {
  readonly index: number;
  /** The number, from 1, the same from frame to frame. */
  readonly track: number;
}

interface Person {
  /** Null until birth. */
  track: number | null;
  readonly motion: Motion;
  looks: Appearance;
  /** When `looks` was brought up to date. */
  looked: number;
  readonly since: number;
  last: number;
}

/**
 * Gives faces their numbers.
 *
 * A face is known again by where its motion leads (position, speed, size) and by how it looks; the pairs with the least
 * cost altogether are taken, those who have a number first. All times are the source's, in milliseconds.
 */
export class Tracker {
  #people: Person[] = [];
  #next = 1;
  #time = -Infinity;
  #lost = false;

  /** Whether the last frame showed fewer faces than the one before. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Where the faces of the last frame are expected at a time. */
  near(time: number): Box[] {
    return this.#present().map(({ motion }) => motion.at(time));
  }

  /** The numbers of those who are out of sight and may come back. */
  get waiting(): number[] {
    return this.#people.flatMap(({ track, last }) => (track !== null && last !== this.#time ? [track] : []));
  }

  /**
   * Take in what a frame showed.
   *
   * @param seen The faces found in it.
   * @param time When it was taken, later than the frame before.
   * @param atOnce Whether a face gets its number when it is first seen, as in a picture.
   * @returns The faces that have a number, in the order given.
   */
  update(seen: readonly Seen[], time: number, atOnce = false): Tracked[] {
    const before = this.#present().length;
    const open = new Set(seen.keys());
    const found = new Map<number, Person>();
    const match = (people: readonly Person[]): void => {
      const rows = [...open];
      const costs = costsOf(people, rows.map((index) => seen[index]!), time);
      for (const [row, column] of assign(costs)) {
        found.set(rows[row]!, people[column]!);
        open.delete(rows[row]!);
      }
    };
    match(this.#people.filter(({ track }) => track !== null));
    match(this.#people.filter(({ track }) => track === null));
    for (const [index, person] of found) follow(person, seen, index, time);
    const fresh = [...open].map((index) => {
      const { face, looks } = seen[index]!;
      const person: Person = { track: null, motion: new Motion(face.box, time), looks, looked: time, since: time, last: time };
      found.set(index, person);
      return person;
    });
    this.#time = time;
    // Who has no number yet is forgotten when missed once.
    this.#people = [...this.#people, ...fresh].filter(({ track, last }) => (track === null ? last === time : time - last <= PATIENCE));
    this.#lost = seen.length < before;
    return [...seen.keys()].flatMap((index) => {
      const person = found.get(index)!;
      if (person.track === null && (atOnce || time - person.since >= BIRTH)) person.track = this.#next++;
      return person.track === null ? [] : [{ index, track: person.track }];
    });
  }

  /** Forget all faces when the source changes; numbers begin at 1 again. */
  reset(): void {
    this.#people = [];
    this.#next = 1;
    this.#time = -Infinity;
    this.#lost = false;
  }

  #present(): Person[] {
    return this.#people.filter(({ last }) => last === this.#time);
  }
}

/**
 * What it costs to take each face for each person, at least 0; null where it cannot be. How they look counts where a
 * face may be of several people or a person may be one of several faces, and where somebody was out of sight.
 */
function costsOf(people: readonly Person[], seen: readonly Seen[], time: number): (number | null)[][] {
  const apart = seen.map(({ face }) => people.map((person) => distance(person, face, time)));
  const ways = people.map((_, column) => apart.filter((row) => row[column] !== null).length);
  return apart.map((row, index) => {
    const alone = row.filter((way) => way !== null).length === 1;
    return row.map((way, column) => {
      const person = people[column]!;
      if (way === null) return null;
      const out = time - person.last > BY_MOTION;
      if (alone && ways[column] === 1 && !out) return way.cost;
      const alike = agreement(person.looks, seen[index]!.looks);
      if (out && alike < (way.distance < HERE ? ALIKE_HERE : ALIKE_THERE)) return null;
      return way.cost + WEIGHT_OF_LOOKS * (1 - alike);
    });
  });
}

/** How far a face is from where a person is expected, in their sizes, and what place and size cost; null where it is out of reach. */
function distance({ motion, last }: Person, face: Face, time: number): { distance: number; cost: number } | null {
  const expected = motion.at(time);
  const [x, y] = centre(expected);
  const [fx, fy] = centre(face.box);
  const side = size(expected);
  const far = Math.hypot(fx - x, fy - y) / side;
  const growth = Math.abs(Math.log(size(face.box) / side));
  if (far > REACH + (REACH_A_SECOND * (time - last)) / 1000 || growth > Math.log(GROWTH)) return null;
  return { distance: far, cost: far + growth };
}

/** Take in where a person is and, where nobody else is in the way, how they look. */
function follow(person: Person, seen: readonly Seen[], index: number, time: number): void {
  const { face } = seen[index]!;
  const whole = seen.every((other, place) => place === index || !close(face.box, other.face.box));
  if (whole && time - person.looked >= LOOKS_AGE) {
    person.looks = blended(person.looks, seen[index]!.looks, 1 - Math.exp((person.looked - time) / LOOKS_OVER));
    person.looked = time;
  }
  person.motion.seen(face.box, time, whole);
  person.last = time;
}

/** Whether two boxes touch, or nearly: hair and ears are outside the boxes. */
function close(first: Box, second: Box): boolean {
  const room = (size(first) + size(second)) * (MARGIN / 2);
  const apart = (low: 0 | 1, high: 2 | 3): number => Math.max(first[low] - second[high], second[low] - first[high]);
  return apart(0, 2) < room && apart(1, 3) < room;
}
