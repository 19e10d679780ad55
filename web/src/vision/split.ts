import { cuts, type GraphNode } from "./cuts";
import { type Answer, type Net, output } from "./net";

/** A net's graph, of which any part can be run. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** The node that takes the picture. */
  readonly input: string;
  /** The nodes of the outputs, by the outputs' names. */
  readonly outputs: Readonly<Record<string, string>>;
  /** A part of the graph as a net: from one node's values to other nodes' values, by the names that they are given here. */
  part(from: string, to: Readonly<Record<string, string>>): Net;
}

/** A net in two parts, at its own last features. */
export interface Split {
  /** From pixels to the features, [N, rows, columns, channels]. */
  readonly before: Net;
  /** From the features to the score of each class, [N, classes]. */
  readonly behind: Net;
  /** Whether the scores are logits; else they are probabilities. */
  readonly logits: boolean;
}

/** The name of the values at the cut, and of the scores behind it. */
export const FEATURES = "features";
export const SCORES = "scores";

/** Nodes whose values lie in another order or shape than channels last, so that their places are not the picture's. */
const REORDERED: readonly string[] = ["Transpose", "Reshape"];
/** How far the two parts may be from the whole, as a share of the largest value. */
const SAME = 1e-3;

/**
 * Cut a net behind its last map: the last node with places [N, h, w, C], h · w > 1, that all ways from the picture go
 * through, found by what the nodes give for a black picture. A map as large as the picture is the picture itself, scaled.
 *
 * @param shape Of one picture: [1, height, width, channels].
 * @returns Null where the net keeps no such map.
 */
export function split({ nodes, input, outputs, part }: Graph, shape: readonly [number, number, number, number]): Split | null {
  const logits = outputs["logits"] !== undefined;
  const scores = outputs["logits"] ?? outputs["probabilities"];
  if (scores === undefined) return null;
  const found = cuts(nodes, input, scores).filter(({ op }) => !REORDERED.includes(op));
  const black = new Float32Array(shape.reduce((product, size) => product * size));
  const values = tried(() => part(input, Object.fromEntries([[SCORES, scores], ...found.map(({ name }) => [name, name])]))(black, shape));
  if (!values) return null;
  for (const { name } of found) {
    const features = output(values, name);
    const map = isMap(features.shape, shape) ? features.shape : null;
    if (!map) continue;
    const behind = part(name, { [SCORES]: scores });
    if (gives(behind, features.data, map, output(values, SCORES))) return { before: part(input, { [FEATURES]: name }), behind, logits };
  }
  return null;
}

function isMap(shape: readonly number[], [, height, width]: readonly number[]): shape is [number, number, number, number] {
  const [count, rows = 0, columns = 0] = shape;
  return shape.length === 4 && count === 1 && rows * columns > 1 && rows * columns < height! * width!;
}

/** Whether what is behind a cut gives the whole net's scores, and gives them for several at once. */
function gives(behind: Net, map: Float32Array, [, ...size]: [number, number, number, number], { data: wanted }: Answer): boolean {
  const twice = new Float32Array(2 * map.length);
  twice.set(map);
  twice.set(map, map.length);
  const data = tried(() => output(behind(twice, [2, ...size]), SCORES).data);
  const limit = SAME * wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return data?.length === 2 * wanted.length && data.every((value, index) => Math.abs(value - wanted[index % wanted.length]!) <= limit);
}

/** Null where the runtime cannot run this part of a graph, which says nothing against the whole. */
function tried<T>(run: () => T): T | null {
  try {
    return run();
  } catch {
    return null;
  }
}
