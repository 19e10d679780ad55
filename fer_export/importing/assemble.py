"""This module makes a checkpoint with a contract from a file without one and from what its user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from fer_export import __version__
from fer_export.contract import Contract, Crop, Input, Output, Point
from fer_export.errors import ContractError, UsageError
from fer_export.faces.align import TEMPLATE_48
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.importing import embedding_range, probe_outputs
from fer_export.importing.architecture import Argument, resolve
from fer_export.importing.match_state_dict import fit
from fer_export.importing.options import parse_normalization
from fer_export.importing.outputs import describe
from fer_export.importing.probe_outputs import Kind
from fer_export.models import guess_architecture, state_dict
from fer_export.models.wrapped import Wrapped
from fer_export.parity import random_inputs

NO_LICENSE = "not stated"
#: The beginnings of labels of facial expressions, in the spellings of the usual data sets.
_EXPRESSIONS = ("ang", "contempt", "disgust", "fear", "happ", "neutral", "sad", "surpris")


@dataclass(frozen=True)
class Told:
    """Hold what the user says about another project's net; see `fer-export onnx --help`.

    Attributes:
        inputs: the net's inputs; the page feeds the first.
        ranges: the range of the values that parity is measured with, by the input's name.
        scale, mean, std: the normalisation of all pictures, as `parse_normalization` takes it.
        labels: the classes' names; empty where the net is no classifier or its classes have no names.
        kind: what the classifier's numbers are; None measures it.
        crop: whether faces are aligned for the first input; None aligns them if the labels are of expressions.
    """

    inputs: tuple[Input, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scale: str = "1/255"
    mean: str = "0"
    std: str = "1"
    labels: tuple[str, ...] = ()
    kind: Kind | None = None
    crop: bool | None = None
    license: str = NO_LICENSE


@dataclass(frozen=True)
class Assembled:
    """Hold an ordinary checkpoint, its net, and each assumption in one sentence."""

    checkpoint: Checkpoint
    net: nn.Module
    assumed: tuple[str, ...]

    def module(self) -> nn.Module:
        """Return the module to export."""
        return self.checkpoint.module(self.net)


def assemble(
    path: Path,
    arch: str,
    told: Told,
    *,
    arguments: Mapping[str, Argument] | None = None,
    entry: str | None = None,
    ignore: Sequence[str] = (),
) -> Assembled:
    """Read the weights, build the net, load the one into the other, run it, and write its contract.

    Args:
        path: a checkpoint without a contract.
        arch: the architecture, as `architecture.resolve` takes it; code that it names is run.
        told: what the user says about the net.
        arguments: the factory's arguments.
        entry: the entry to take from a file with several state dicts.
        ignore: prefixes of names; tensors whose names start with one are left out.

    Raises:
        InvalidInputError: the file or the code is not usable, the two do not fit, or the net does not run.
        UsageError: the user's statements contradict each other or the net.
    """
    found = state_dict.find(checkpoint.read(path)[1], str(path), entry=entry)
    spec = told.inputs[0]
    net, architecture = resolve(
        arch, arguments or {}, state=found.state, classes=len(told.labels) or None, channels=spec.channels
    )
    notes = [*found.notes, *fit(net, found.state, where=str(path), name=arch, ignore=ignore)]
    state = {name: value.detach().clone() for name, value in net.state_dict().items()}
    bare = Contract(
        architecture=architecture,
        inputs=tuple(_normalised(told, each) for each in told.inputs),
        outputs=(Output(name="output", shape=(), meaning="not known yet"),),
        license=told.license,
        weights_sha256=checkpoint.weights_sha256(state),
        tools={"fer-export": __version__},
    )
    bare, range_notes = _ranged(bare, net, told)
    measured, more_notes = probe_outputs.measure(Wrapped(net, bare), bare)
    labels, outputs, kind_notes = describe(measured, told.labels, told.kind, arch)
    crop, crop_notes = _crop(told, labels)
    contract = bare.but(labels=labels, outputs=outputs, crop=crop)
    notes += [*_defaults(told), *range_notes, *more_notes, *kind_notes, *crop_notes]
    return Assembled(Checkpoint(contract, state), net, tuple(notes))


def load(path: Path, arch: str | None, contract: Contract) -> tuple[Checkpoint, nn.Module | None]:
    """Load a checkpoint and, where `arch` names code outside this project, its net.

    Arguments and errors are those of `rebuild`; without `arch`, the errors are those of `checkpoint.load`.
    """
    return rebuild(path, arch, contract) if arch else (checkpoint.load(path), None)


def rebuild(path: Path, arch: str, contract: Contract) -> tuple[Checkpoint, nn.Module]:
    """Rebuild a contract's net from the weights in a file, with or without that contract, and the code of `arch`.

    Args:
        path: the checkpoint that the contract was made of, or the one that carries it.
        arch: the architecture, as for `assemble`; code that it names is run.
        contract: the contract of any artefact of the net.

    Raises:
        InvalidInputError: the file or the code is not usable, or the two do not fit.
        ContractError: the weights are not those of the contract.
    """
    state = state_dict.find(checkpoint.read(path)[1], str(path)).state
    arguments = contract.architecture.arguments
    net, _ = resolve(arch, arguments, state=state, classes=None, channels=contract.inputs[0].channels)
    fit(net, state, where=str(path), name=arch)
    own: dict[str, Tensor] = dict(net.state_dict())
    if checkpoint.weights_sha256(own) != contract.weights_sha256:
        raise ContractError(f"{path} with {arch} makes other weights than those of the contract")
    return Checkpoint(contract.but(batch="dynamic", conversion=None, graph_sha256=None), own), net


def _normalised(told: Told, spec: Input) -> Input:
    """Add the user's normalisation to a picture; values have none."""
    if spec.kind == "values":
        return spec
    return spec.but(normalization=parse_normalization(told.scale, told.mean, told.std, spec.channels))


def _ranged(contract: Contract, net: nn.Module, told: Told) -> tuple[Contract, list[str]]:
    """Return the contract with the ranges that the user gave or that were measured, and a note for each."""
    rows = embedding_range.highest(net, contract)
    changed: list[Input] = []
    notes = []
    for spec in contract.inputs:
        if spec.kind == "picture":
            changed.append(spec)
            continue
        if spec.name in told.ranges:
            (low, high), reason = told.ranges[spec.name], ""
        elif spec.name in rows:
            low, high, reason = 0, rows[spec.name], ", which the table that it is looked up in holds (--range)"
        else:
            (low, high), reason = spec.range, " (--range)"
        ranged = spec.but(range=(low, high))
        changed.append(ranged)
        unseen = random_inputs.unseen(ranged)
        if unseen:
            reason += f"; {unseen} of them are not tried"
        notes.append(
            f"input {spec.name} is no picture: it goes into the net as it is, and parity is measured on "
            f"{'numbers' if spec.dtype == 'float32' else spec.dtype} from {low:g} to {high:g}{reason}"
        )
    return contract.but(inputs=tuple(changed)), notes


def _defaults(told: Told) -> list[str]:
    """Return a note for each assumption that the user did not state and that cannot be measured."""
    usual = (told.scale, told.mean, told.std) == (Told.scale, Told.mean, Told.std)
    notes: list[str] = []
    if not any(each.kind == "picture" for each in told.inputs):
        if not usual:
            raise UsageError("--scale, --mean and --std are for pictures, and no --input is one")
    elif usual:
        notes.append("the net takes pixels / 255, without mean and std (--scale, --mean, --std)")
    if any(each.kind == "picture" and each.color == "rgb" for each in told.inputs):
        notes.append("colours come as RGB, not BGR (--bgr)")
    if told.license == NO_LICENSE:
        notes.append(f"the licence of the weights is {NO_LICENSE} (--license)")
    return notes


def _crop(told: Told, labels: Sequence[str]) -> tuple[Crop | None, list[str]]:
    """Return the crop rule, with FER2013's landmarks scaled onto the grid and centred, and a note about it."""
    expressions = sum(label.lower().startswith(_EXPRESSIONS) for label in labels)
    first = told.inputs[0]
    spec = first if first.kind == "picture" and first.coloured else None
    if told.crop and spec is None:
        raise UsageError(f"--crop face is for gray, RGB or BGR pictures, and --input has {first.channels} channels")
    wanted = expressions >= 3 if told.crop is None else told.crop
    if spec is None or not wanted or spec.height is None or spec.width is None:
        if told.crop:
            raise UsageError("--crop face wants a fixed --input size")
        return None, []
    scale = min(spec.height, spec.width) / 48
    left, top = (spec.width - 48 * scale) / 2, (spec.height - 48 * scale) / 2
    points: list[Point] = [(x * scale + left, y * scale + top) for x, y in TEMPLATE_48]
    crop = Crop(template=(points[0], points[1], points[2], points[3], points[4]))
    return crop, ["faces are cropped with their landmarks where FER2013's lie (--crop none writes no rule)"]


def contract_of(path: Path) -> Contract | None:
    """Return the contract of a checkpoint, or None.

    Raises:
        InvalidInputError: the file is missing, damaged or unsafe.
    """
    text, _ = checkpoint.read(path)
    return None if text is None else Contract.from_json(text, where=str(path))


def no_input(path: Path, entry: str | None) -> UsageError:
    """Return the error for a missing --input; it states the channels, where the weights show them."""
    count = guess_architecture.channels(state_dict.find(checkpoint.read(path)[1], str(path), entry=entry).state)
    known = f"the first convolution takes {count} channel(s): --input {count}x48x48, if that is the size"
    usual = "--input 1x48x48, or 3x?x? where height and width are free"
    return UsageError("--arch wants --input too: which pictures does the net take?",
                      hint=known if count else usual)  # fmt: skip
