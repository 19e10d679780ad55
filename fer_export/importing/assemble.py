"""A checkpoint with a contract, made of a file without one and of what its user says."""

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
#: How labels of facial expressions begin, in the spellings of the usual data sets.
_EXPRESSIONS = ("ang", "contempt", "disgust", "fear", "happ", "neutral", "sad", "surpris")


@dataclass(frozen=True)
class Told:
    """What the user says about a foreign net; see `fer-export onnx --help`.

    Attributes:
        inputs: the first is the one that the page feeds.
        ranges: what parity of values is measured within, by the input's name.
        scale, mean, std: as in `parse_normalization`; the same for all inputs.
        labels: none for nets that are no classifiers, or whose classes have no names.
        kind: of the classifier's output; None to measure it.
        crop: whether faces are aligned for the first input; None: if the labels are of expressions.
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
    """An ordinary checkpoint, its net, and what was assumed, one sentence each."""

    checkpoint: Checkpoint
    net: nn.Module
    assumed: tuple[str, ...]

    def module(self) -> nn.Module:
        """What is exported."""
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
        arch: as for `architecture.resolve`; code that it names is run.
        told: about the net.
        arguments: for the factory.
        entry: of a file with several state dicts, the one to take.
        ignore: tensors whose names start so are left out.

    Raises:
        InvalidInputError: the file, the code or the fit of the two does not hold, or the net does not run.
        UsageError: what was told does not agree with itself or with the net.
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
    """A checkpoint and, where `arch` names code outside this project, its net.

    Args and errors as for `rebuild`; without `arch`, errors as for `checkpoint.load`.
    """
    return rebuild(path, arch, contract) if arch else (checkpoint.load(path), None)


def rebuild(path: Path, arch: str, contract: Contract) -> tuple[Checkpoint, nn.Module]:
    """The net of a contract again: weights from a file, with or without that contract, and code from `arch`.

    Args:
        path: the checkpoint that the contract was made of, or the one that carries it.
        arch: as for `architecture.resolve`; code that it names is run.
        contract: from any artefact of the net.

    Raises:
        InvalidInputError: the file, the code or the fit of the two does not hold.
        ContractError: these are other weights than the contract's.
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
    """Give a picture the normalisation that is told; values have none."""
    if spec.kind == "values":
        return spec
    return spec.but(normalization=parse_normalization(told.scale, told.mean, told.std, spec.channels))


def _ranged(contract: Contract, net: nn.Module, told: Told) -> tuple[Contract, list[str]]:
    """The contract with what is told of the ranges or measured on the net, and a note for each."""
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
    """What nobody said and nothing can measure."""
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
    """Where the landmarks go: as in FER2013's pictures, scaled onto the grid and centred."""
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
    """The contract of a checkpoint, where it has one.

    Raises:
        InvalidInputError: missing, damaged or unsafe file.
    """
    text, _ = checkpoint.read(path)
    return None if text is None else Contract.from_json(text, where=str(path))


def no_input(path: Path, entry: str | None) -> UsageError:
    """The error for a missing --input, with the channels that the weights tell."""
    count = guess_architecture.channels(state_dict.find(checkpoint.read(path)[1], str(path), entry=entry).state)
    known = f"the first convolution takes {count} channel(s): --input {count}x48x48, if that is the size"
    usual = "--input 1x48x48, or 3x?x? where height and width are free"
    return UsageError("--arch wants --input too: which pictures does the net take?",
                      hint=known if count else usual)  # fmt: skip
