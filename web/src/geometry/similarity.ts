import type { Affine, Point } from "./types";

/**
 * Scale, rotation and shift, no reflection, that take `source` closest to `target` in the least
 * squares sense (Umeyama 1991, in the plane's closed form; see fer_export/faces/similarity.py).
 *
 * @returns The map source → target, or null where the points do not determine it.
 */
export function similarity(source: readonly Point[], target: readonly Point[]): Affine | null {
  const [px, py] = mean(source);
  const [qx, qy] = mean(target);
  let power = 0;
  let along = 0;
  let across = 0;
  source.forEach(([sx, sy], index) => {
    const [rx, ry] = target[index] ?? [NaN, NaN];
    const [x, y, u, v] = [sx - px, sy - py, rx - qx, ry - qy];
    power += x * x + y * y;
    along += x * u + y * v;
    across += x * v - y * u;
  });
  if (![power, along, across].every(Number.isFinite)) return null;
  if (power < 1e-12 || along * along + across * across < 1e-24) return null;
  const a = along / power;
  const b = across / power;
  return [a, -b, qx - (a * px - b * py), b, a, qy - (b * px + a * py)];
}

/** The inverse map. It exists for every similarity that the function above returns. */
export function inverse([a, b, tx, c, d, ty]: Affine): Affine {
  const determinant = a * d - b * c;
  return [
    d / determinant,
    -b / determinant,
    (b * ty - d * tx) / determinant,
    -c / determinant,
    a / determinant,
    (c * tx - a * ty) / determinant,
  ];
}

function mean(points: readonly Point[]): Point {
  let x = 0;
  let y = 0;
  for (const point of points) {
    x += point[0];
    y += point[1];
  }
  return [x / points.length, y / points.length];
}
