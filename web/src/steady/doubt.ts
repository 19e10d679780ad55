import type { Quality } from "../vision/quality";

/** Why a face is not read. */
export type Doubt = "too small" | "too dark" | "too bright" | "turned away" | "too blurred";

/**
 * The limits of each measure. Accuracy is that of the shipped net on FER+'s PublicTest (3,199 pictures of 48 × 48; 87.6 %
 * as they are), after they were spoiled so; "the photos" are the nine people in ../shared/photos, of whom none is refused.
 */
interface Limit {
  readonly doubt: Doubt;
  readonly measure: keyof Quality;
  readonly at: number;
  /** Whether values below the limit are bad, or those above. */
  readonly bad: "below" | "above";
}

/** In the order in which they are named: a small face is blurred as well, and the first reason is the one to mend. */
export const LIMITS: readonly Limit[] = [
  // The photos made smaller: from 28 pixels down the probabilities of a face are off by 0.3 to 0.6, above by 0.2 at most.
  { doubt: "too small", measure: "size", at: 28, bad: "below" },
  // Made darker, with a camera's noise (σ 2.5): 74 % are right where the brightest twentieth begins at 33, 60 % at 23.
  { doubt: "too dark", measure: "light", at: 32, bad: "below" },
  // Brightened: 85 % are right where 0.31 of a picture is burnt out (the median of those pictures), 71 % at 0.69.
  { doubt: "too bright", measure: "glare", at: 0.6, bad: "above" },
  // The nose beyond one of the eyes. Up to 0.6 PublicTest's faces are read no worse (85 % of 43 above 0.4); 8 of 1,260 are above.
  { doubt: "turned away", measure: "turn", at: 0.6, bad: "above" },
  // Landmarks that form no face, as the detector puts them onto profiles; none of those 1,260 has more than 0.3.
  { doubt: "turned away", measure: "misfit", at: 0.35, bad: "above" },
  // Blurred by σ 2 of 48 pixels 73 % are right, and half are below 0.12; by σ 1.5 81 %, 0.23. The photos have 0.5 and more.
  { doubt: "too blurred", measure: "sharpness", at: 0.2, bad: "below" },
];

/** A face that is refused has to be better than a limit by this factor to be read again. */
const MARGIN = 1.15;

/**
 * Say why a face is not read.
 *
 * @param before What was said of the same person in the frame before.
 * @returns Null where nothing speaks against reading it.
 */
export function doubtOf(quality: Quality, before: Doubt | null): Doubt | null {
  const over = LIMITS.find(({ doubt, measure, at, bad }) => {
    const margin = doubt === before ? MARGIN : 1;
    return bad === "below" ? quality[measure] < at * margin : quality[measure] > at / margin;
  });
  return over?.doubt ?? null;
}
