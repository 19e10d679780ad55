"""Architectures, one a file: the registry looks through this folder, so a new one is one new file."""

from fer_export.models.classifier import Classifier
from fer_export.models.registry import build, defaults, names, register

__all__ = ["Classifier", "build", "defaults", "names", "register"]
