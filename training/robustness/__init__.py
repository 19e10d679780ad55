"""What changed pictures cost a checkpoint: light, blur, compression, noise and geometry, one at a time."""

from __future__ import annotations

from training.robustness.chart import draw
from training.robustness.conditions import CONDITIONS, Condition, apply
from training.robustness.lost import Lost, lost
from training.robustness.measure import Measured, Robustness, measure

__all__ = ["CONDITIONS", "Condition", "Lost", "Measured", "Robustness", "apply", "draw", "lost", "measure"]
