/** How long a resting face is watched, in milliseconds of frames in which it can be read. */
export const WATCHED = 3000;
/** A gap between frames counts at most so much, in milliseconds: what happened in a longer one was not seen. */
const GAP = 250;
/** What a resting face shall read as: this much neutral, and of every other class no more than an equal share of the rest. */
const NEUTRAL = 0.8;
/** No probability is taken for less than this, as the noise of a class that is hardly there would be. */
const LEAST = 1e-6;

/** Where the baseline of a person stands. */
export type Resting = "off" | "watching" | "on";

type Probabilities = Readonly<Record<string, number>>;

/** The label that means a resting face; null where the classifier has none. */
export function neutralOf(labels: readonly string[]): string | null {
  return labels.find((label) => label.trim().toLowerCase() === "neutral") ?? null;
}

/**
 * Takes a person's resting face off what is read in it: some faces look sad or angry at rest.
 *
 * The mean of what is read while the face rests is watched for a while. Afterwards the log-probabilities (logits, but for
 * a constant) of the classes that it had too much of are lowered, and that of neutral raised where this is not enough,
 * so that the same resting face reads as neutral; nothing else is ever raised.
 */
export class Baseline {
  #sums = new Map<string, number>();
  #count = 0;
  #watched = 0;
  #last: number | null = null;
  #factors: ReadonlyMap<string, number> | null = null;

  /** @param neutral The label that a resting face shall have. */
  constructor(private readonly neutral: string) {}

  get state(): Resting {
    return this.#factors ? "on" : "watching";
  }

  /** How much of the watching is done, 0–1. */
  get done(): number {
    return this.#factors ? 1 : Math.min(1, this.#watched / WATCHED);
  }

  /** The classes that are lowered, the one that is lowered most first. */
  get lowered(): readonly string[] {
    const factors = [...(this.#factors ?? [])].filter(([label, factor]) => label !== this.neutral && factor < 1);
    return factors.sort((first, second) => first[1] - second[1]).map(([label]) => label);
  }

  /**
   * Watch a frame, while there is need for it.
   *
   * @param own What was read in this frame, by label; null where the face could not be read.
   * @param time When it was taken, in milliseconds.
   */
  watch(own: Probabilities | null, time: number): void {
    if (this.#factors) return;
    const gap = this.#last === null ? 0 : Math.max(0, time - this.#last);
    this.#last = time;
    if (!own) return;
    this.#watched += Math.min(GAP, gap);
    this.#count++;
    for (const [label, share] of Object.entries(own)) this.#sums.set(label, (this.#sums.get(label) ?? 0) + share);
    if (this.#watched >= WATCHED) this.#factors = this.#made();
  }

  /** What is left of a reading when the resting face is taken off; the reading itself while that is not known. */
  off(own: Probabilities): Probabilities {
    const factors = this.#factors;
    if (!factors) return own;
    const scaled = Object.entries(own).map(([label, share]) => [label, share * (factors.get(label) ?? 1)] as const);
    const sum = scaled.reduce((total, [, share]) => total + share, 0);
    return sum > 0 ? Object.fromEntries(scaled.map(([label, share]) => [label, share / sum])) : own;
  }

  #made(): Map<string, number> {
    const rest = new Map([...this.#sums].map(([label, sum]) => [label, Math.max(LEAST, sum / this.#count)]));
    const most = (1 - NEUTRAL) / Math.max(1, rest.size - 1);
    const factors = new Map([...rest].map(([label, share]) => [label, Math.min(1, most / share)]));
    const others = [...rest].reduce((sum, [label, share]) => sum + (label === this.neutral ? 0 : share * factors.get(label)!), 0);
    const neutral = rest.get(this.neutral) ?? LEAST;
    factors.set(this.neutral, Math.max(1, (NEUTRAL * others) / ((1 - NEUTRAL) * neutral)));
    return factors;
  }
}
