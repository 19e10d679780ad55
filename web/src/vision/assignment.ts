import munkres from "munkres";

/** The cost of a pair that may not be, which outweighs any number of pairs that may. */
const FORBIDDEN = 1e6;

/**
 * Pair rows with columns, as many as may be and so that their costs together are least (Munkres 1957).
 *
 * @param costs A row of costs of at least 0 for each row, as long as there are columns; null where the two may not be paired.
 * @returns Pairs of row and column.
 */
export function assign(costs: readonly (readonly (number | null)[])[]): [row: number, column: number][] {
  if (costs.length === 0 || costs[0]!.length === 0) return [];
  const finite = costs.map((row) => row.map((cost) => cost ?? FORBIDDEN));
  return munkres(finite).filter(([row, column]) => costs[row]![column] !== null);
}
