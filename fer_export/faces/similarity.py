"""This module finds the similarity that maps points onto points with the least squared error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_export.contract import Point
from fer_export.faces.sampling import Affine


def similarity(source: Sequence[Point], target: Sequence[Point]) -> Affine | None:
    """Return the scale, rotation and shift, without reflection, that take `source` closest to `target`.

    The method is that of Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", PAMI 13(4), 1991. In the plane it needs no singular value decomposition: with the
    centred points as complex numbers p and q, the best factor is Σ p̄q / Σ |p|², its modulus the
    scale and its argument the angle.

    Args:
        source, target: two points or more each, and as many in one as in the other.

    Returns:
        The map [2, 3], source → target, or None where the points do not determine it (all in one place, or
        such that
        the best scale is 0).
    """
    p = np.asarray(source, np.float64)
    q = np.asarray(target, np.float64)
    if p.shape != q.shape or p.ndim != 2 or p.shape[0] < 2 or p.shape[1] != 2:
        raise ValueError(f"as many points on both sides, not {list(p.shape)} and {list(q.shape)}")
    p_mean, q_mean = p.mean(axis=0), q.mean(axis=0)
    p, q = p - p_mean, q - q_mean
    power = float((p * p).sum())
    along = float((p[:, 0] * q[:, 0] + p[:, 1] * q[:, 1]).sum())
    across = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum())
    if not np.isfinite([power, along, across]).all() or power < 1e-12 or along * along + across * across < 1e-24:
        return None
    a, b = along / power, across / power
    return np.array(
        [
            [a, -b, q_mean[0] - (a * p_mean[0] - b * p_mean[1])],
            [b, a, q_mean[1] - (b * p_mean[0] + a * p_mean[1])],
        ]
    )


def inverse(affine: Affine) -> Affine:
    """Return the inverse of an invertible map [2, 3]."""
    (a, b, tx), (c, d, ty) = affine.tolist()
    determinant = a * d - b * c
    if determinant == 0:
        raise ValueError("the map cannot be inverted")
    return np.array(
        [
            [d / determinant, -b / determinant, (b * ty - d * tx) / determinant],
            [-c / determinant, a / determinant, (c * tx - a * ty) / determinant],
        ]
    )
