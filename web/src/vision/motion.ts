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

/** Where one face is and how fast it moves and grows, and so where it will be. Times are in milliseconds. */
export class Motion {
  #box: Box;
  #time: number;
  /** Of the centre in x and y, in pixels a millisecond, and of the logarithm of the size, a millisecond. */
  #speed: readonly [number, number, number] = [0, 0, 0];

  constructor(box: Box, time: number) {
    this.#box = box;
    this.#time = time;
  }

  /** The box at a time not before the last one that was seen. */
  at(time: number): Box {
    const coasted = COAST * (1 - Math.exp(-Math.max(0, time - this.#time) / COAST));
    const [vx, vy, growth] = this.#speed;
    const [x, y] = centre(this.#box);
    const factor = Math.exp(growth * coasted) / 2;
    const [width, height] = [(this.#box[2] - this.#box[0]) * factor, (this.#box[3] - this.#box[1]) * factor];
    const [cx, cy] = [x + vx * coasted, y + vy * coasted];
    return [cx - width, cy - height, cx + width, cy + height];
  }

  /** Take in where the face was seen. */
  seen(box: Box, time: number): void {
    const passed = time - this.#time;
    if (passed > TOO_LONG) {
      this.#speed = [0, 0, 0];
    } else if (passed > 0) {
      const [before, now] = [centre(this.#box), centre(box)];
      const measured = [now[0] - before[0], now[1] - before[1], Math.log(size(box) / size(this.#box))];
      const weight = 1 - Math.exp(-passed / SPEED_OVER);
      const mix = (index: 0 | 1 | 2): number => this.#speed[index] + weight * (measured[index]! / passed - this.#speed[index]);
      this.#speed = [mix(0), mix(1), mix(2)];
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
