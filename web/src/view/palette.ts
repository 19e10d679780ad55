/**
 * Colours that people with any kind of colour blindness tell apart (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/),
 * with gray for the first class, which is neutral in most models; more classes begin anew.
 */
const COLOURS = ["#9a9a9a", "#e69f00", "#56b4e9", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#f0e442"] as const;

/** The colour of the class at this place in the contract's labels. */
export function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}
