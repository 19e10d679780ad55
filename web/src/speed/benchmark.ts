import type { Models } from "../models";
import { texts } from "../texts";
import { BACKENDS } from "./choice";
import { measure } from "./measure";
import type { Measurement } from "./measurement";
import { measuredPicture } from "./picture";
import type { Report } from "./report";

/**
 * Measure all backends, one after the other.
 *
 * @param progress Called before each with what is about to be measured and what was measured so far.
 */
export async function benchmark(
  models: Models,
  progress: (text: string, done: readonly Measurement[]) => void,
): Promise<Omit<Report, "disturbed">> {
  const opening = measuredPicture();
  const done: Measurement[] = [];
  for (const backend of BACKENDS) {
    progress(texts.speed.measuring(backend, done.length + 1, BACKENDS.length), done);
    done.push(await measure(backend, models, (await opening).make));
  }
  return { picture: (await opening).name, measurements: done };
}
