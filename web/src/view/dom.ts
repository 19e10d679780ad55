/**
 * Return an element of index.html.
 *
 * @throws Error The element is missing, or is of another kind.
 */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** A new element with a class and text. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Format a share, 0–1, as a percentage. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A number by its order of magnitude; with a minus sign, since lines break after a hyphen. */
export function scientific(value: number, digits = 0): string {
  return value.toExponential(digits).replace("-", "−");
}
