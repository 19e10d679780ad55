"""This module holds a face that the cascade found."""

from __future__ import annotations

from dataclasses import dataclass

from fer_export.contract import Point

Box = tuple[float, float, float, float]
Landmarks = tuple[Point, Point, Point, Point, Point]


@dataclass(frozen=True)
class Face:
    """Describe a face in a photo, in the photo's pixels.

    `box` is x1, y1, x2, y2 and may reach a little over the photo's edge. `landmarks` are left eye,
    right eye, nose, left and right mouth corner, left and right as seen in the picture; None where
    only a box is known. `score` is O-Net's probability, 0–1.
    """

    box: Box
    score: float = 1.0
    landmarks: Landmarks | None = None

    @property
    def area(self) -> float:
        """Return the box's area in square pixels; 0 for an inverted box."""
        x1, y1, x2, y2 = self.box
        return max(0.0, x2 - x1) * max(0.0, y2 - y1)
