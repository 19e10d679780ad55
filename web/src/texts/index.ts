import { english, type Texts } from "./english";
import { french } from "./french";
import { german } from "./german";

const LANGUAGES: Readonly<Record<string, Texts>> = { en: english, de: german, fr: french };

/** The languages that the page speaks, by their codes, each by its own name. */
export const NAMES: Readonly<Record<string, string>> = { en: "English", de: "Deutsch", fr: "Français" };

/** The language that is spoken: the one of the address (`?lang=de`), else the first of the browser's that there is. */
export const language = chosen();

/** All that the page says. */
export const texts: Texts = LANGUAGES[language] ?? english;

/** The word for a class, a reason or `unsure`; a label that this language lacks stays as it is. */
export function word(shown: string): string {
  return texts.words[shown] ?? shown;
}

function chosen(): string {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [...(asked === null ? [] : [asked]), ...navigator.languages];
  return wanted.map((tag) => tag.toLowerCase().split("-")[0]!).find((code) => code in LANGUAGES) ?? "en";
}
