"""Two sets of labels on one trunk: a net with one wide last layer in training, one checkpoint for each set after it.

The last layer has the classes of both sets, one set after the other. Each head has its own softmax and
loss; a row that only one set labels says nothing to the other head.
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
    """The answers `start`–`stop` of the wide layer.

    Attributes:
        name: kind of the data, as in the recipe.
        loss: of these answers against these targets.
        weight: of the loss.
    """

    name: str
    start: int
    stop: int
    loss: losses.Function
    weight: float = 1.0

    @property
    def place(self) -> str:
        """The folder of this head's files in the run's: the run's own for the first."""
        return self.name if self.start else ""

    @property
    def prefix(self) -> str:
        """Of this head's figures in the log."""
        return f"{self.name}_" if self.start else ""

    def of(self, wide: Tensor) -> Tensor:
        """[N, all classes] → [N, classes of this head]."""
        return wide[:, self.start : self.stop]


def heads(data: Data, stage: Stage, train: Faces, class_weights: Tensor | None = None) -> tuple[Head, ...]:
    """The heads of a stage, one or two.

    Args:
        data: of the stage.
        stage: whose loss is the first head's.
        train: the rows, with a second set of labels if the data has one.
        class_weights: of the first head's loss.
    """
    width = len(train.labels)
    first = Head(data.kind, 0, width, losses.function(stage.loss, class_weights))
    if data.other is None or train.other is None:
        return (first,)
    stop = width + len(train.other.labels)
    return (first, Head(data.other.kind, width, stop, losses.function(data.other.loss), data.other.weight))


def targets(faces: Faces) -> Tensor:
    """Targets of all sets side by side: float32 [N, all classes]."""
    return faces.targets if faces.other is None else torch.cat((faces.targets, faces.other.targets), 1)


def cut(
    architecture: str, arguments: Mapping[str, Any], state: dict[str, Tensor], head: Head, *, width: int
) -> dict[str, Tensor]:
    """The state dict of the net with this head alone.

    Args:
        architecture, arguments: the recipe's.
        state: of the wide net.
        head: which answers to keep.
        width: answers of the wide net.

    Raises:
        InvalidInputError: the net's last layer cannot be told from its state.
    """
    kept = with_rows(state, class_tensors(architecture, arguments, width), range(head.start, head.stop))
    net = models.build(architecture, **{**arguments, "num_classes": head.stop - head.start})
    try:
        net.load_state_dict(kept)
    except RuntimeError as error:
        raise InvalidInputError(f"{architecture} cannot have two heads: {first_line(error)}") from error
    return kept


def start(wide: nn.Module, state: Mapping[str, Tensor], labels: Sequence[str], faces: Faces) -> str:
    """Load a net of one head into one with a head for each set; what it knows nothing of stays as it is.

    Args:
        wide: is changed.
        state: of the net with one head.
        labels: of its answers, in order; they are matched to a head's by what they mean.
        faces: the rows to train on, for the labels of both sets.

    Returns:
        Which of the heads was started.

    Raises:
        InvalidInputError: its labels are those of no head, or its weights do not fit.
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
    # The wide net has more rows than the one with a single head just where it has a row for each class.
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
    """Return the names of the tensors that have a row for each class: those whose shape follows `num_classes`.

    Args:
        architecture, arguments: of the net; `num_classes` among the arguments is not looked at.
        classes: how many it has.
    """
    nets = [models.build(architecture, **{**arguments, "num_classes": count}) for count in (classes, classes + 1)]
    shapes, more = ({name: value.shape for name, value in net.state_dict().items()} for net in nets)
    return frozenset(name for name, shape in shapes.items() if shape != more[name])


def with_rows(state: Mapping[str, Tensor], names: Collection[str], rows: Sequence[int]) -> dict[str, Tensor]:
    """Return a state dict in which these tensors have these of their rows, in this order."""
    return {name: value[list(rows)].clone() if name in names else value for name, value in state.items()}
