"""This module names the kinds of a classifier's output, so that they can be used without importing torch."""

from typing import Literal

#: Softmax's input, softmax's output, its logarithm; `values` is any other.
Kind = Literal["logits", "probabilities", "log-probabilities", "values"]
