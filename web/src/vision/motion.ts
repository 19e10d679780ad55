import type { Box } from "../geometry/types";

/** Over how long a measured speed is averaged, in milliseconds: a few frames, since a single box jitters by a pixel or two. */
const SPEED_OVER = 100;
/**
 * For how long a face out of sight is thought to go on, in milliseconds: its speed dies away by this time constant, so
 * it ends at most `speed · COAST` from where it was last seen. Heads turn round; they do not leave in a straight line.
 */
const COAST = 400;
/** A gap longer than this tells nothing of the speed, in milliseconds. */
const TOO_LONG = 500;

/** Where one face is, how large, and how fast it moves, and so where it will be. Times are in milliseconds. */
export class Motion {
  #box: Box;
  #time: number;
  /** Of the centre in x and y, in pixels a millisecond. */
  #speed: readonly [number, number] = [0, 0];

  constructor(box: Box, time: number) {
    this.#box = box;
    this.#time = time;
  }

  /** The box at a time not before the last one that was seen. */
  at(time: number): Box {
    const coasted = COAST * (1 - Math.exp(-Math.max(0, time - this.#time) / COAST));
    const [x, y] = [this.#speed[0] * coasted, this.#speed[1] * coasted];
    const [x1, y1, x2, y2] = this.#box;
    return [x1 + x, y1 + y, x2 + x, y2 + y];
  }

  /**
   * Take in where the face was seen.
   *
   * @param whole Whether nothing is in front of it: the box of a face that is half covered shrinks, and its centre
   *   stands still, so its speed is taken from before.
   */
  seen(box: Box, time: number, whole = true): void {
    const passed = time - this.#time;
    if (passed > TOO_LONG) {
      this.#speed = [0, 0];
    } else if (passed > 0 && whole) {
      const [before, now] = [centre(this.#box), centre(box)];
      const weight = 1 - Math.exp(-passed / SPEED_OVER);
      const mix = (axis: 0 | 1): number => this.#speed[axis] + weight * ((now[axis] - before[axis]) / passed - this.#speed[axis]);
      this.#speed = [mix(0), mix(1)];
    }
    this.#box = box;
    this.#time = time;
  }
}

/** The centre of a box. */
export function centre([x1, y1, x2, y2]: Box): readonly [number, number] {
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

/** The side of the square of a box's area, at least one pixel. */
export function size([x1, y1, x2, y2]: Box): number {
  return Math.sqrt(Math.max(1, (x2 - x1) * (y2 - y1)));
}
