"""What a classifier's output can be; apart from what measures it, which takes torch."""

from typing import Literal

#: What softmax takes, what it gives, its logarithm; `values` for all else.
Kind = Literal["logits", "probabilities", "log-probabilities", "values"]
