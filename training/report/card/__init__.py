"""This package makes the model card: prose written by hand around metrics that are measured when it is made."""

from training.report.card.card import Shipped, render

__all__ = ["Shipped", "render"]
