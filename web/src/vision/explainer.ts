import { output } from "./net";
import { FEATURES, type Graph, SCORES, type Split, split } from "./split";

/** What each place of a net's last map adds to a class's score, row by row; below zero what speaks against the class. */
export interface Heat {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** The number of maps for one call of the net. */
const PORTION = 32;
/** The least probability whose logarithm is taken. */
const LEAST = 1e-12;

/**
 * Says from where in a picture a net reads a class: each cell of its last map in turn is replaced by the map's mean, and
 * the fall of the class's logit is what the cell added; where the net gives no logits, that of the log-probability.
 *
 * For a net with a global mean before a linear head this is the class activation map of Zhou et al. 2016
 * (https://arxiv.org/abs/1512.04150) less its mean, over the number of cells; it holds for any other head too.
 */
export class Explainer {
  /** Found when somebody asks first. */
  #split: Split | null | undefined;

  constructor(private readonly graph: Graph) {}

  /**
   * Explain the score of one class.
   *
   * @param crop The net's input for one picture of this shape, [1, height, width, channels].
   * @param label The class's place in the contract's labels.
   * @returns Null where the net keeps no map of the picture.
   * @throws RangeError There is no such class.
   */
  explain(crop: Float32Array, shape: readonly [number, number, number, number], label: number): Heat | null {
    if (this.#split === undefined) this.#split = split(this.graph, shape);
    if (!this.#split) return null;
    const { data: map, shape: size } = output(this.#split.before(crop, shape), FEATURES);
    const [, rows, columns, channels] = size as [number, number, number, number];
    const mean = meanOf(map, channels);
    const scores: number[] = [];
    // The first is the map as it is.
    for (let first = 0; first <= rows * columns; first += PORTION) {
      const count = Math.min(PORTION, rows * columns + 1 - first);
      const maps = new Float32Array(count * map.length);
      for (let place = 0; place < count; place++) {
        maps.set(map, place * map.length);
        const cell = first + place - 1;
        if (cell >= 0) maps.set(mean, place * map.length + cell * channels);
      }
      scores.push(...this.#scores(this.#split, maps, [count, rows, columns, channels], label));
    }
    const [whole = 0, ...without] = scores;
    return { values: Float32Array.from(without, (score) => whole - score), rows, columns };
  }

  #scores({ behind, logits }: Split, maps: Float32Array, shape: readonly [number, number, number, number], label: number): number[] {
    const { data } = output(behind(maps, shape), SCORES);
    const classes = data.length / shape[0];
    if (!(label >= 0 && label < classes)) throw new RangeError(`there is no class ${label} of ${classes}`);
    return Array.from({ length: shape[0] }, (_, row) => {
      const score = data[row * classes + label]!;
      return logits ? score : Math.log(Math.max(score, LEAST));
    });
  }
}

/** The mean over all places, by channel. */
function meanOf(map: Float32Array, channels: number): Float32Array {
  const sums = new Float64Array(channels);
  map.forEach((value, index) => (sums[index % channels]! += value));
  return Float32Array.from(sums, (sum) => sum / (map.length / channels));
}
