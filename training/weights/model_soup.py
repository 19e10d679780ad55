"""This module averages the weights of several runs that started from the same ones.

The method is the model soup of Wortsman et al. 2022, https://arxiv.org/abs/2203.05482. Batch statistics are not
averaged but measured again for the mean, as in Izmailov et al. 2018, https://arxiv.org/abs/1803.05407.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.measure.evaluation import fitted
from training.provenance import remade

_BATCH = 256


def average(
    checkpoints: Sequence[Checkpoint], pictures: Tensor, *, progress: Callable[[int], object] | None = None
) -> Checkpoint:
    """Return the mean of two or more checkpoints.

    Args:
        checkpoints: checkpoints of one architecture with the same labels and inputs.
        pictures: [N, C, H, W] in 0–255, to measure the batch statistics on; not those the mean is evaluated on.
        progress: called with the number of pictures that were just seen.

    Returns:
        The mean, without any metric that was measured for one of them.

    Raises:
        InvalidInputError: there is only one checkpoint, or architecture, labels or inputs differ.
    """
    if len(checkpoints) < 2:
        raise InvalidInputError("an average takes two checkpoints or more")
    first, *others = checkpoints
    for other in others:
        for what in ("architecture", "labels", "inputs"):
            mine, theirs = getattr(first.contract, what), getattr(other.contract, what)
            if mine != theirs:
                raise InvalidInputError(f"{what}: {mine} and {theirs} cannot be averaged")
    state = {name: _mean([each.state[name] for each in checkpoints]) for name in first.state}
    names = ", ".join(f"{each.contract.weights_sha256[:12]}…" for each in checkpoints)
    note = f"mean of {len(checkpoints)} nets ({names})"
    state = _measured(Checkpoint(first.contract, state), pictures, progress)
    made = remade(first, state, lambda before: f"{note}; the first: {before}".rstrip(": "))
    trained = [each.contract.training for each in checkpoints]
    if made.contract.training is None or any(each is None for each in trained):
        return made
    synthetic = all(each is not None and each.synthetic for each in trained)
    training = made.contract.training.model_copy(update={"synthetic": synthetic})
    return Checkpoint(made.contract.but(training=training), made.state)


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Average tensors; of whole numbers, which count batches, the first is kept."""
    if not values[0].is_floating_point():
        return values[0].clone()
    return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)


def _measured(checkpoint: Checkpoint, pictures: Tensor, progress: Callable[[int], object] | None) -> dict[str, Tensor]:
    """Return a checkpoint's state with the batch statistics of these pictures, measured without dropout."""
    module = checkpoint.module()
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.inference_mode():
        # Only whole batches are used, since a small one would weigh as much as the others.
        for start in range(0, max(len(pictures) - _BATCH, 0) + 1, _BATCH):
            some = pictures[start : start + _BATCH]
            module(fitted(some, checkpoint.contract))
            if progress:
                progress(len(some))
    state = module.net.state_dict()
    return {name: state[name].detach().clone() for name in checkpoint.state}
