"""This module builds the net that a run starts with: fresh, with published weights, or with those of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_export import models
from fer_export.contract import Architecture
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import Checkpoint
from training.data.aliases import matched
from training.data.sources import Split
from training.fit import multi_head, pretrained
from training.provenance import architecture_of, started_from
from training.recipe import Recipe

#: How much a net's outputs may change when its classes are reordered: rounding of float32.
_TOLERANCE = 1e-4


def initial_net(
    recipe: Recipe,
    split: Split,
    width: int,
    *,
    init: Sequence[Checkpoint] = (),
    weights: Path | None = None,
    resumed: bool = False,
) -> tuple[nn.Module, str]:
    """Build the net of the first stage.

    Args:
        recipe: settings that name the architecture, and the published weights to start from where there are any.
        split: the data, for its labels.
        width: number of classes of all heads together.
        init: the checkpoint to start from; for a recipe with two heads, one of either, or both of one trunk. Classes
            are matched to the data's by what they mean.
        weights: a local file of the published weights.
        resumed: the weights will come from the run's own state, so published ones are not fetched.

    Returns:
        The net, and a sentence on its weights for the contract's note.

    Raises:
        InvalidInputError: `init` has another architecture or other classes, or the weights do not fit.
        MissingDependencyError: published weights could not be downloaded.
    """
    architecture = architecture_of(recipe, width)
    if init:
        return _continued(init, architecture, split, two=bool(recipe.second))
    net = models.build(architecture.name, **architecture.arguments)
    if recipe.pretrained is None:
        return net, ""
    if not resumed:
        pretrained.load_pretrained(net, recipe.architecture, recipe.pretrained, weights)
    return net, f"started from {recipe.pretrained} weights{f' in {weights.name}' if weights else ''}; "


def _continued(init: Sequence[Checkpoint], wanted: Architecture, split: Split, *, two: bool) -> tuple[nn.Module, str]:
    """Start from checkpoints. Where the recipe has two heads, the one that no checkpoint has starts fresh."""
    if len(init) > 1 + two:
        raise InvalidInputError(f"{len(init)} checkpoints to start from, and the recipe has {1 + two} head(s)")
    for one in init:
        held = one.contract.architecture
        sizes = {**wanted.arguments, "num_classes": held.arguments.get("num_classes", 0)} if two else wanted.arguments
        if (held.name, _trained(held)) != (wanted.name, _trained(wanted, sizes)):
            raise InvalidInputError(f"--init holds {held}, and the recipe wants {wanted}")
    if not two:
        return _reordered(init[0], split.train.labels), started_from(init[0])
    net = models.build(wanted.name, **wanted.arguments)
    heads = multi_head.class_tensors(wanted.name, wanted.arguments, int(str(wanted.arguments["num_classes"])))
    notes: dict[str, str] = {}
    for one in init:
        # Batch statistics may differ: a mean of weights measures them again for each head.
        before = {name: value.detach().clone() for name, value in net.named_parameters()}
        which = multi_head.start(net, one.state, one.contract.labels, split.train)
        if which in notes:
            raise InvalidInputError(f"both checkpoints of --init are the {which} head")
        after = net.state_dict()
        if notes and not all(torch.equal(value, after[name]) for name, value in before.items() if name not in heads):
            raise InvalidInputError("the two checkpoints of --init are nets of different trainings, not of one trunk")
        notes[which] = f"{started_from(one).removesuffix('; ')}, as the {which} head; "
    return net, "".join(notes.values())


def _trained(architecture: Architecture, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the arguments that weights depend on: all, with the architecture's defaults, but dropout."""
    given = {**models.defaults(architecture.name), **(architecture.arguments if arguments is None else arguments)}
    return {name: value for name, value in given.items() if name != "dropout"}


def _reordered(init: Checkpoint, labels: tuple[str, ...]) -> nn.Module:
    """Return the checkpoint's net with its classes in the order of `labels`."""
    own = init.contract.labels
    net: nn.Module = init.module().net
    if not own or own == labels:
        return net
    order = matched(own, labels)
    if order is None:
        raise InvalidInputError(
            f"--init answers {', '.join(own)}, and the data is labelled {', '.join(labels)}",
            hint="train on data with the same classes, or merge classes by --set data.merge",
        )
    changed: nn.Module = init.module().net
    architecture = init.contract.architecture
    names = multi_head.class_tensors(architecture.name, architecture.arguments, len(own))
    changed.load_state_dict(multi_head.with_rows(init.state, names, order))
    if not _same(net, changed, order, init):
        raise InvalidInputError(
            f"the classes of --init ({', '.join(own)}) cannot be put in the order of the data's ({', '.join(labels)}): "
            f"the answers of {architecture.name} do not follow the rows of {', '.join(sorted(names)) or 'any tensor'}"
        )
    return changed


def _same(net: nn.Module, changed: nn.Module, order: list[int], init: Checkpoint) -> bool:
    """Return whether `changed` gives the outputs of `net` in the new order, for noise in place of pictures."""
    spec = init.contract.picture
    shape = (2, spec.channels, spec.height or 48, spec.width or 48)
    pictures = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before: Tensor = net.eval()(pictures)
        after: Tensor = changed.eval()(pictures)
    return before.shape == after.shape and torch.allclose(before[:, order], after, atol=_TOLERANCE, rtol=_TOLERANCE)
