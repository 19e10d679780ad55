"""This module widens a trained net without changing its answers: Net2WiderNet (Chen et al. 2016, arXiv:1511.05641).

Every channel becomes `factor` copies, and the weights that read it are divided by `factor`. So the wide net
answers as the narrow one does, until noise makes the copies differ and training makes use of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fer_export import models
from fer_export.contract import Architecture
from fer_export.errors import InvalidInputError, ParityError
from fer_export.formats.checkpoint import Checkpoint
from training.provenance import remade

#: The largest difference of logits before noise is added; float32 loses that by summing in another order.
TOLERANCE = 1e-3


def widen(narrow: Checkpoint, factor: int = 2, *, noise: float = 0.0, seed: int = 0) -> Checkpoint:
    """Return a checkpoint of the same architecture with `factor` times the `widths`.

    Args:
        narrow: a checkpoint whose architecture has the argument `widths`.
        factor: 2 or more.
        noise: standard deviation of the factor, around 1, that each copied weight is multiplied by.
        seed: seed of the noise.

    Raises:
        InvalidInputError: the architecture has no widths, or its channels cannot be copied.
        ParityError: before noise is added, the wide net answers differently from the narrow one.
    """
    old = narrow.contract.architecture
    widths = {**models.defaults(old.name), **old.arguments}.get("widths")
    if widths is None:
        raise InvalidInputError(f"{old.name} has no widths to multiply")
    wide = [int(width) * factor for width in widths]
    architecture = Architecture(name=old.name, arguments={**old.arguments, "widths": wide})
    net = models.build(architecture.name, **architecture.arguments)
    state = {name: _copied(name, narrow.state[name], like, factor) for name, like in net.state_dict().items()}
    how = f"made {factor} times as wide"
    made = remade(narrow, state, lambda before: f"{before}; {how}".lstrip("; "), architecture=architecture)
    _hold(narrow, made)
    if not noise:
        return made
    generator = torch.Generator().manual_seed(seed)
    noisy = {
        name: value * (1 + noise * torch.randn(value.shape, generator=generator)) if value.ndim > 1 else value
        for name, value in state.items()
    }
    return remade(made, noisy, lambda before: f"{before}, noise {noise:g}, seed {seed}")


def _copied(name: str, value: Tensor, like: Tensor, factor: int) -> Tensor:
    """Make a tensor of the wide net from the narrow one's: copied along outputs, copied and divided along inputs."""
    for axis, (old, new) in enumerate(zip(value.shape, like.shape, strict=True)):
        if new == old:
            continue
        if new != old * factor or axis > 1:
            raise InvalidInputError(f"{name} is {tuple(value.shape)}, and {tuple(like.shape)} in the wide net")
        value = torch.cat([value] * factor, axis) / (factor if axis == 1 else 1)
    return value.clone()


def _hold(narrow: Checkpoint, wide: Checkpoint) -> None:
    """Refuse a wide net that answers differently from the narrow one, for noise in place of normalised pictures."""
    spec = narrow.contract.picture
    shape = (4, spec.channels, spec.height or 48, spec.width or 48)
    pictures = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        narrows, wides = (each.module().net(pictures) for each in (narrow, wide))
    far = float((narrows - wides).abs().max())
    if not far <= TOLERANCE:
        raise ParityError(f"{narrow.contract.architecture.name} made wider answers otherwise: {far:.1e} apart")
