/** A tensor's values and shape, channels last. */
export interface Answer {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/**
 * A net as a plain function from pixels [N, H, W, C], 0–255, to outputs by name, so that the cascade does not
 * depend on a runtime.
 */
export type Net = (pixels: Float32Array, shape: readonly [number, number, number, number]) => Readonly<Record<string, Answer>>;

/** @throws Error The net has no output of this name. */
export function output(answer: Readonly<Record<string, Answer>>, name: string): Answer {
  const found = answer[name];
  if (!found) throw new Error(`a net has no output ${name}, only ${Object.keys(answer).join(", ")}`);
  return found;
}
