"""The model card: prose that is written by hand around figures that are measured when it is made."""

from training.report.card.card import Shipped, render

__all__ = ["Shipped", "render"]
