"""This package measures what changed light, blur, compression, noise and geometry, one at a time, cost a checkpoint."""

from __future__ import annotations

from training.measure.robustness.conditions import CONDITIONS, Condition, apply
from training.measure.robustness.lost import Lost, lost
from training.measure.robustness.measure import Measured, Robustness, measure_robustness

__all__ = ["CONDITIONS", "Condition", "Lost", "Measured", "Robustness", "apply", "lost", "measure_robustness"]
