"""This module trains one trunk on two sets of labels and cuts it into one checkpoint for each set.

In training the last layer has the classes of both sets, one set after the other. Each head has its own softmax and
loss; a row that only one set labels adds nothing to the other head's loss.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fer_export import models
from fer_export.errors import InvalidInputError, first_line
from training.data.aliases import matched
from training.data.faces import Faces
from training.fit import losses
from training.recipe import Data, Stage


@dataclass(frozen=True)
class Head:
    """Describe a head: the columns from `start` up to, but not including, `stop` of the wide layer.

    Attributes:
        name: kind of the data, as in the recipe.
        start, stop: its columns.
        loss: loss of these outputs against these targets.
        weight: factor on the loss.
    """

    name: str
    start: int
    stop: int
    loss: losses.Function
    weight: float = 1.0

    @property
    def place(self) -> str:
        """Return the folder of this head's files inside the run's; "" (the run's own) for the first head."""
        return self.name if self.start else ""

    @property
    def prefix(self) -> str:
        """Return the prefix of this head's metrics in the log; "" for the first head."""
        return f"{self.name}_" if self.start else ""

    def of(self, wide: Tensor) -> Tensor:
        """Slice [N, all classes] to [N, classes of this head]."""
        return wide[:, self.start : self.stop]


def heads(data: Data, stage: Stage, train: Faces, class_weights: Tensor | None = None) -> tuple[Head, ...]:
    """Return the heads of a stage, one or two.

    Args:
        data: the data settings of the stage.
        stage: its loss is the first head's.
        train: the rows, with a second set of labels if the data has one.
        class_weights: [classes], factors of the first head's loss.
    """
    width = len(train.labels)
    first = Head(data.kind, 0, width, losses.function(stage.loss, class_weights))
    if data.other is None or train.other is None:
        return (first,)
    stop = width + len(train.other.labels)
    return (first, Head(data.other.kind, width, stop, losses.function(data.other.loss), data.other.weight))


def targets(faces: Faces) -> Tensor:
    """Return the targets of all sets side by side: float32 [N, all classes]."""
    return faces.targets if faces.other is None else torch.cat((faces.targets, faces.other.targets), 1)


def cut(
    architecture: str, arguments: Mapping[str, Any], state: dict[str, Tensor], head: Head, *, width: int
) -> dict[str, Tensor]:
    """Return the state dict of the net with this head alone.

    Args:
        architecture, arguments: those of the recipe.
        state: state dict of the wide net.
        head: the head to keep.
        width: number of outputs of the wide net.

    Raises:
        InvalidInputError: the net with one head cannot be cut out of the wide one's state.
    """
    kept = with_rows(state, class_tensors(architecture, arguments, width), range(head.start, head.stop))
    net = models.build(architecture, **{**arguments, "num_classes": head.stop - head.start})
    try:
        net.load_state_dict(kept)
    except RuntimeError as error:
        raise InvalidInputError(f"{architecture} cannot have two heads: {first_line(error)}") from error
    return kept


def start(wide: nn.Module, state: Mapping[str, Tensor], labels: Sequence[str], faces: Faces) -> str:
    """Load the weights of a net with one head into one with a head for each set; the other head stays as it is.

    Args:
        wide: the net with a head for each set; it is changed.
        state: state dict of the net with one head.
        labels: labels of its outputs, in order; they are matched to a head's by what they mean.
        faces: the rows to train on, for the labels of both sets.

    Returns:
        Which head the weights went into: "first" or "second".

    Raises:
        InvalidInputError: no head has these labels, or the weights do not fit.
    """
    sets = [faces.labels, *([faces.other.labels] if faces.other else [])]
    orders = [matched(labels, each) for each in sets]
    which = next((index for index, order in enumerate(orders) if order is not None), None)
    if which is None:
        raise InvalidInputError(f"--init answers {', '.join(labels)}, which no head of the recipe does")
    order = orders[which]
    assert order is not None
    first = sum(len(each) for each in sets[:which])
    whole = {name: value.clone() for name, value in wide.state_dict().items()}
    # Tensors with a row for each class are exactly those that have more rows in the wide net.
    names = {
        name for name, value in state.items() if name in whole and len(value.shape) and len(value) != len(whole[name])
    }
    for name, value in with_rows(state, names, order).items():
        if name in names:
            whole[name][first : first + len(labels)] = value
        else:
            whole[name] = value
    try:
        wide.load_state_dict(whole)
    except RuntimeError as error:
        raise InvalidInputError("the weights of --init do not fit the recipe's net") from error
    return "first" if which == 0 else "second"


def class_tensors(architecture: str, arguments: Mapping[str, Any], classes: int) -> frozenset[str]:
    """Return the names of the tensors that have a row for each class: those whose shape changes with `num_classes`.

    Args:
        architecture, arguments: those of the net; `num_classes` among the arguments is ignored.
        classes: number of classes.
    """
    nets = [models.build(architecture, **{**arguments, "num_classes": count}) for count in (classes, classes + 1)]
    shapes, more = ({name: value.shape for name, value in net.state_dict().items()} for net in nets)
    return frozenset(name for name, shape in shapes.items() if shape != more[name])


def with_rows(state: Mapping[str, Tensor], names: Collection[str], rows: Sequence[int]) -> dict[str, Tensor]:
    """Return a state dict in which these tensors have these of their rows, in this order."""
    return {name: value[list(rows)].clone() if name in names else value for name, value in state.items()}
