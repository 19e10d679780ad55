"""This module lets teachers answer, in each training step, for the very pictures that the student sees.

A student learns most from its teachers' answers to its own view, mixup included, over a long schedule (Beyer et al.
2022, https://arxiv.org/abs/2106.05237). Each view is new, where stored views (`training/weights/distil.py`) repeat; the
price is the teachers' forward pass in every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.fit.teachers import Teacher, answers, blend, padded


@dataclass(frozen=True)
class OnlineTeachers:
    """Hold the teachers of a run, and how far the student listens to them.

    Attributes:
        teachers: nets whose answers are averaged.
        widths: the number of classes of each set of labels.
        share: weight of the answers in the targets, 0–1; the labels have the rest.
        mirrored: whether they answer for the mirrored pictures too.
    """

    teachers: Sequence[Teacher]
    widths: Sequence[int]
    share: float
    mirrored: bool = False

    def to(self, device: torch.device) -> None:
        """Move the nets to a device."""
        for one in self.teachers:
            one.to(device)

    def targets(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Return what the student is to answer.

        Args:
            pictures: float32 [N, 1, H, W] in 0–255, augmented and mixed, on the teachers' device.
            labels: targets [N, classes of all sets], mixed likewise.

        Returns:
            Targets of the shape of `labels`.
        """
        said = padded(answers(self.teachers, pictures, mirrored=self.mirrored), labels.shape[1])
        return blend(labels, said, self.widths, self.share)
