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
from fer_export.importing.kinds import Kind
from fer_export.importing.match_state_dict import load_matching
from fer_export.importing.options import parse_normalization
from fer_export.importing.outputs import describe
from fer_export.models import guess_architecture, state_dict
from fer_export.models.wrapped import Wrapped
from fer_export.parity import random_inputs

NO_LICENSE = "not stated"
#: The beginnings of labels of facial expressions, in the spellings of the usual data sets.
_EXPRESSIONS = ("ang", "contempt", "disgust", "fear", "happ", "neutral", "sad", "surpris")


@dataclass(frozen=True)
class ModelSpec:
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
class ImportedModel:
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
    spec: ModelSpec,
    *,
    arguments: Mapping[str, Argument] | None = None,
    entry: str | None = None,
    ignore: Sequence[str] = (),
) -> ImportedModel:
    """Read the weights, build the net, load the one into the other, run it, and write its contract.

    Args:
        path: a checkpoint without a contract.
        arch: the architecture, as `architecture.resolve` takes it; code that it names is run.
        spec: what the user says about the net.
        arguments: the factory's arguments.
        entry: the entry to take from a file with several state dicts.
        ignore: prefixes of names; tensors whose names start with one are left out.

    Raises:
        InvalidInputError: the file or the code is not usable, the two do not fit, or the net does not run.
        UsageError: the specification contradicts itself or the net.
    """
    found = state_dict.find(checkpoint.read_state(path)[1], str(path), entry=entry)
    net, architecture = resolve(
        arch, arguments or {}, state=found.state, classes=len(spec.labels) or None, channels=spec.inputs[0].channels
    )
    notes = [*found.notes, *load_matching(net, found.state, where=str(path), name=arch, ignore=ignore)]
    state = {name: value.detach().clone() for name, value in net.state_dict().items()}
    bare = Contract(
        architecture=architecture,
        inputs=tuple(_normalised(spec, each) for each in spec.inputs),
        outputs=(Output(name="output", shape=(), meaning="not known yet"),),
        license=spec.license,
        weights_sha256=checkpoint.weights_sha256(state),
        tools={"fer-export": __version__},
    )
    bare, range_notes = _ranged(bare, net, spec)
    measured, more_notes = probe_outputs.probe(Wrapped(net, bare), bare)
    labels, outputs, kind_notes = describe(measured, spec.labels, spec.kind, arch)
    crop, crop_notes = _crop(spec, labels)
    contract = bare.but(labels=labels, outputs=outputs, crop=crop)
    notes += [*_defaults(spec), *range_notes, *more_notes, *kind_notes, *crop_notes]
    return ImportedModel(Checkpoint(contract, state), net, tuple(notes))


def load_with_code(path: Path, arch: str | None, contract: Contract) -> tuple[Checkpoint, nn.Module | None]:
    """Load a checkpoint and, where `arch` names code outside this project, its net.

    Arguments and errors are those of `rebuild`; without `arch`, the errors are those of `checkpoint.load_checkpoint`.
    """
    return rebuild(path, arch, contract) if arch else (checkpoint.load_checkpoint(path), None)


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
    state = state_dict.find(checkpoint.read_state(path)[1], str(path)).state
    arguments = contract.architecture.arguments
    net, _ = resolve(arch, arguments, state=state, classes=None, channels=contract.inputs[0].channels)
    load_matching(net, state, where=str(path), name=arch)
    own: dict[str, Tensor] = dict(net.state_dict())
    if checkpoint.weights_sha256(own) != contract.weights_sha256:
        raise ContractError(f"{path} with {arch} makes other weights than those of the contract")
    return Checkpoint(contract.but(batch="dynamic", conversion=None, graph_sha256=None), own), net


def _normalised(spec: ModelSpec, entry: Input) -> Input:
    """Add the user's normalisation to a picture; values have none."""
    if entry.kind == "values":
        return entry
    return entry.but(normalization=parse_normalization(spec.scale, spec.mean, spec.std, entry.channels))


def _ranged(contract: Contract, net: nn.Module, spec: ModelSpec) -> tuple[Contract, list[str]]:
    """Return the contract with the ranges that the user gave or that were measured, and a note for each."""
    rows = embedding_range.highest(net, contract)
    changed: list[Input] = []
    notes = []
    for entry in contract.inputs:
        if entry.kind == "picture":
            changed.append(entry)
            continue
        if entry.name in spec.ranges:
            (low, high), reason = spec.ranges[entry.name], ""
        elif entry.name in rows:
            low, high, reason = 0, rows[entry.name], ", which the table that it is looked up in holds (--range)"
        else:
            (low, high), reason = entry.range, " (--range)"
        ranged = entry.but(range=(low, high))
        changed.append(ranged)
        unseen = random_inputs.unseen(ranged)
        if unseen:
            reason += f"; {unseen} of them are not tried"
        notes.append(
            f"input {entry.name} is no picture: it goes into the net as it is, and parity is measured on "
            f"{'numbers' if entry.dtype == 'float32' else entry.dtype} from {low:g} to {high:g}{reason}"
        )
    return contract.but(inputs=tuple(changed)), notes


def _defaults(spec: ModelSpec) -> list[str]:
    """Return a note for each assumption that the user did not state and that cannot be measured."""
    usual = (spec.scale, spec.mean, spec.std) == (ModelSpec.scale, ModelSpec.mean, ModelSpec.std)
    notes: list[str] = []
    if not any(each.kind == "picture" for each in spec.inputs):
        if not usual:
            raise UsageError("--scale, --mean and --std are for pictures, and no --input is one")
    elif usual:
        notes.append("the net takes pixels / 255, without mean and std (--scale, --mean, --std)")
    if any(each.kind == "picture" and each.color == "rgb" for each in spec.inputs):
        notes.append("colours come as RGB, not BGR (--bgr)")
    if spec.license == NO_LICENSE:
        notes.append(f"the licence of the weights is {NO_LICENSE} (--license)")
    return notes


def _crop(spec: ModelSpec, labels: Sequence[str]) -> tuple[Crop | None, list[str]]:
    """Return the crop rule, with FER2013's landmarks scaled onto the grid and centred, and a note about it."""
    expressions = sum(label.lower().startswith(_EXPRESSIONS) for label in labels)
    first = spec.inputs[0]
    picture = first if first.kind == "picture" and first.coloured else None
    if spec.crop and picture is None:
        raise UsageError(f"--crop face is for gray, RGB or BGR pictures, and --input has {first.channels} channels")
    wanted = expressions >= 3 if spec.crop is None else spec.crop
    if picture is None or not wanted or picture.height is None or picture.width is None:
        if spec.crop:
            raise UsageError("--crop face wants a fixed --input size")
        return None, []
    scale = min(picture.height, picture.width) / 48
    left, top = (picture.width - 48 * scale) / 2, (picture.height - 48 * scale) / 2
    points: list[Point] = [(x * scale + left, y * scale + top) for x, y in TEMPLATE_48]
    crop = Crop(template=(points[0], points[1], points[2], points[3], points[4]))
    return crop, ["faces are cropped with their landmarks where FER2013's lie (--crop none writes no rule)"]


def contract_of(path: Path) -> Contract | None:
    """Return the contract of a checkpoint, or None.

    Raises:
        InvalidInputError: the file is missing, damaged or unsafe.
    """
    text, _ = checkpoint.read_state(path)
    return None if text is None else Contract.from_json(text, where=str(path))


def no_input(path: Path, entry: str | None) -> UsageError:
    """Return the error for a missing --input; it states the channels, where the weights show them."""
    count = guess_architecture.channels(state_dict.find(checkpoint.read_state(path)[1], str(path), entry=entry).state)
    known = f"the first convolution takes {count} channel(s): --input {count}x48x48, if that is the size"
    usual = "--input 1x48x48, or 3x?x? where height and width are free"
    return UsageError("--arch wants --input too: which pictures does the net take?",
                      hint=known if count else usual)  # fmt: skip
