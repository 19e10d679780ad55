"""This module runs a net on real pictures to find its outputs: names, shapes, and what the numbers are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer_export.contract import BY_LABEL, Contract
from fer_export.errors import FerExportError, InvalidInputError, first_line
from fer_export.importing.kinds import Kind
from fer_export.models.wrapped import Wrapped
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Inputs, channels_first

#: A row of probabilities may sum to 1 ± this, for float32 over a thousand classes.
_SUM = 1e-3
#: A net whose outputs differ by less from picture to picture ignores its input.
_SAME = 1e-6


@dataclass(frozen=True)
class ProbedOutput:
    """Describe one output of the net.

    Attributes:
        name: the net's own key, or `output`, `output_1` by position.
        shape: the shape for one picture, channels last, 0 for a size that follows the picture's.
        rows: the values of a [N, K] output, [pictures, K].
    """

    name: str
    shape: tuple[int, ...]
    rows: npt.NDArray[np.float32] | None


def probe(module: Wrapped, contract: Contract) -> tuple[list[ProbedOutput], tuple[str, ...]]:
    """Run the net on the packaged pictures at the contract's input size, or at several where that is free.

    Returns:
        Its floating-point outputs in order, and notes for the user.

    Raises:
        InvalidInputError: the net does not take such pictures, or a contract cannot describe its outputs.
    """
    runs = [_run(module, contract, batch.inputs) for batch in samples_for(contract)]
    names = [name for name, _ in runs[0]]
    if any([name for name, _ in run] != names for run in runs):
        raise InvalidInputError(f"{contract.architecture.name} has other outputs for other pictures")
    columns = [[run[index][1] for run in runs] for index in range(len(names))]
    skipped = [name for name, tensors in zip(names, columns, strict=True) if not tensors[0].is_floating_point()]
    notes = [f"output {name} is left out: it holds no floating-point numbers" for name in skipped]
    clean = _clean([name for name in names if name not in skipped], contract)
    floats = [tensors for tensors in columns if tensors[0].is_floating_point()]
    answers = [_answer(name, tensors) for name, tensors in zip(clean, floats, strict=True)]
    if not answers:
        raise InvalidInputError(f"{contract.architecture.name} answers no floating-point tensor")
    if all(_constant(tensors) for tensors in floats):
        notes.append("CHECK THIS: the net answers the same for every picture; scale, mean, std or weights may be wrong")
    return answers, tuple(notes)


def kind_of(rows: npt.NDArray[np.float32]) -> tuple[Kind, str]:
    """Return what a classifier's numbers [pictures, K] are, and the reason in words."""
    sums = rows.sum(1, dtype=np.float64)
    if rows.shape[1] == 1:
        return "values", "one number for each picture"
    if rows.min() >= 0 and np.abs(sums - 1).max() < _SUM:
        return "probabilities", "none is negative and each row sums to 1"
    if rows.max() <= _SAME and np.abs(np.exp(rows, dtype=np.float64).sum(1) - 1).max() < _SUM:
        return "log-probabilities", "the exponentials of each row sum to 1"
    # Small logits can lie there too, but a sigmoid's output exceeds 0.5 for some class and is never exactly 0.
    if 0 < rows.min() < 0.5 < rows.max() <= 1:
        return "probabilities", "all lie between 0 and 1 and rows do not sum to 1, as behind a sigmoid"
    if np.abs(np.linalg.norm(rows, axis=1) - 1).max() < _SUM:
        return "values", "each row has length 1, as an embedding has"
    return "logits", f"they lie between {rows.min():.3g} and {rows.max():.3g}"


def _run(module: Wrapped, contract: Contract, inputs: Inputs) -> list[tuple[str, Tensor]]:
    name, picture = contract.architecture.name, contract.inputs[0].kind == "picture"
    tensors = [torch.from_numpy(channels_first(inputs[spec.name])) for spec in contract.inputs]
    shape = list(tensors[0].shape)
    shapes = " and ".join(str(list(each.shape)) for each in tensors)
    try:
        with torch.inference_mode():
            answers = module.eval().named(*tensors)
    except FerExportError:
        raise
    except Exception as error:  # somebody's code may raise anything
        raise InvalidInputError(
            f"{name} does not take {shapes}: {type(error).__name__}: {first_line(error)}",
            hint="--input CxHxW" if picture else "--input N:int64 for whole numbers, --range for theirs",
        ) from error
    for key, answer in answers:
        if not answer.ndim or answer.shape[0] != shape[0]:
            raise InvalidInputError(
                f"{name}, output {key}: shape {list(answer.shape)} for {shape[0]} pictures, whose first axis has to be "
                "the pictures"
            )
        if answer.is_floating_point() and not answer.isfinite().all():
            asked = "--scale, --mean and --std" if picture else "--range"
            raise InvalidInputError(f"{name}, output {key}: a value is not finite", hint=asked)
    return answers


def _answer(name: str, tensors: Sequence[Tensor]) -> ProbedOutput:
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    if len({len(shape) for shape in shapes}) > 1:
        raise InvalidInputError(f"output {name} has another number of axes for other pictures")
    sizes = [axis[0] if len(set(axis)) == 1 else 0 for axis in zip(*shapes, strict=True)]
    shape = (*sizes[1:], sizes[0]) if len(sizes) > 1 else tuple(sizes)
    rows = torch.cat(list(tensors)).numpy() if len(shape) == 1 and shape[0] else None
    return ProbedOutput(name, shape, rows)


def _constant(tensors: Sequence[Tensor]) -> bool:
    largest = max(tensors, key=len)
    return len(largest) > 1 and float((largest - largest[:1]).abs().max()) < _SAME


def _clean(names: Sequence[str], contract: Contract) -> list[str]:
    """Return names that every format takes, each once, without the names to which the contract gives a meaning."""
    taken = {*BY_LABEL, *(entry.name for entry in contract.inputs)}
    clean: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = f"net_{plain}" if plain in taken or not plain[:1].isalpha() else plain
        clean.append(plain if plain not in clean else f"{plain}_{len(clean)}")
    return clean
