import type { Reason } from "../state";
import type { Light } from "../vision/light";

/** What a person can do about a face that has no label, by the reason. */
export const ADVICE: Readonly<Record<Reason, string>> = {
  undecided: "No expression is likely enough to name.",
  "too small": "The face has too few pixels to be read. Come closer.",
  "too dark": "The face is too dark to be read. Turn on a light, or face the window.",
  "too bright": "The face is overexposed and cannot be read. Turn away from the light, or dim it.",
  "too blurred": "The face is too blurred to be read. Hold still, or wipe the lens.",
  "turned away": "The face is turned too far to be read. Look towards the camera.",
};

/** Why nobody may have been found, by the light of the picture. */
export const NOBODY_BY_LIGHT: Readonly<Record<Light, string>> = {
  dark: "No face in sight: the picture is very dark. Turn on a light.",
  bright: "No face in sight: the picture is overexposed. Dim the light, or turn away from it.",
};
