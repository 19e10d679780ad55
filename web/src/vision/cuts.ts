/**
 * A node of a graph, with those that it needs: "name", "name:1" for another of its values, or "^name" for one that only
 * has to come before.
 */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
}

/**
 * The nodes that everything on the way from one node to another goes through (its dominators), the last first. What is
 * behind such a node can be computed from its values alone.
 *
 * @returns Without the two nodes themselves; nothing where no way leads from one to the other.
 */
export function cuts(nodes: readonly GraphNode[], from: string, to: string): GraphNode[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const [start, end] = [nodeOf(from), nodeOf(to)];
  const way = someWay(byName, start, end, null) ?? [];
  return way.slice(1, -1).filter(({ name }) => someWay(byName, start, end, name) === null);
}

/** The nodes of some way, the end first, that avoids one node; null where there is none. */
function someWay(byName: ReadonlyMap<string, GraphNode>, start: string, end: string, avoided: string | null): GraphNode[] | null {
  const seen = new Set([end]);
  const next = new Map<string, string>();
  const open = [end];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === start) {
      const way: GraphNode[] = [];
      for (let at: string | undefined = start; at !== undefined; at = next.get(at)) way.unshift(byName.get(at)!);
      return way;
    }
    for (const input of byName.get(name)?.input ?? []) {
      const before = nodeOf(input);
      if (seen.has(before) || before === avoided || !byName.has(before)) continue;
      seen.add(before);
      next.set(before, name);
      open.push(before);
    }
  }
  return null;
}

/** The name of the node that an input or an output is of. */
function nodeOf(name: string): string {
  return name.replace(/^\^/, "").replace(/:\d+$/, "");
}
