import { language, NAMES, texts } from "../texts";
import { byId, make } from "./dom";

/**
 * Put the texts of the language into the page: an element with `data-text` has that text of `texts.page`, one with
 * `data-name` that name of `texts.names`. What is chosen from the list of languages goes into the address.
 */
export function translate(): void {
  document.documentElement.lang = language;
  document.title = texts.page.title;
  const { page, names } = texts as unknown as Record<"page" | "names", Readonly<Record<string, string>>>;
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) element.textContent = page[element.dataset["text"]!]!;
  for (const element of document.querySelectorAll<HTMLElement>("[data-name]")) element.ariaLabel = names[element.dataset["name"]!]!;
  const choice = byId("language", HTMLSelectElement);
  choice.replaceChildren(...Object.entries(NAMES).map(([code, name]) => Object.assign(make("option", "", name), { value: code, lang: code })));
  choice.value = language;
  choice.addEventListener("change", () => {
    const address = new URL(location.href);
    address.searchParams.set("lang", choice.value);
    location.assign(address);
  });
}
