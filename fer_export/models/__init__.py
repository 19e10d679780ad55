"""This package holds the architectures, one in each file; the registry imports every file in this folder."""

from fer_export.models.classifier import Classifier
from fer_export.models.registry import build, defaults, names, register

__all__ = ["Classifier", "build", "defaults", "names", "register"]
