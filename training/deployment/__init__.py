"""What the road of a deployed page costs a checkpoint: detection, alignment and crop."""

from __future__ import annotations

from training.deployment.measure import Deployment, disagreement, measure
from training.deployment.sheet import draw

__all__ = ["Deployment", "disagreement", "draw", "measure"]
