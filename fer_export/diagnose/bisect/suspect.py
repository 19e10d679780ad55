"""The values of an artefact that are in question, in ONNX's terms, and the first of them that is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from fer_export.diagnose.bisect import cutting, differences, onnx_values
from fer_export.diagnose.bisect.differences import Differences
from fer_export.diagnose.bisect.finding import Array, Finding, Operator, Value
from fer_export.diagnose.bisect.onnx_values import in_onnx
from fer_export.diagnose.bisect.reconvert import Road
from fer_export.diagnose.bisect.scan import Reference, compared, first, largest_alone, lost
from fer_export.diagnose.bisect.tensor_map import held, in_onnx_order, named
from fer_export.errors import FerExportError
from fer_export.runtimes import Pixels
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph.graph import Held

#: A finding of more operators than these says little.
_MANY = 3
#: An ONNX value and the tensor that it should be in; and with what was read there.
Place = tuple[str, str]
Found = tuple[str, str, Array]


class Candidate:
    """An artefact, held against a reference on given pictures.

    Args:
        label: what it is called.
        picture: what the pictures are called.
        started: told each step that takes its time.
    """

    def __init__(
        self,
        reference: Reference,
        pixels: Pixels,
        *,
        label: str,
        picture: str,
        started: Callable[[str], object],
    ) -> None:
        self.reference, self.pixels = reference, pixels
        self._label, self._picture, self._started = label, picture, started

    def of_onnx(self, model: onnx.ModelProto, browser: Browser | None = None) -> Finding | None:
        """An ONNX model, in onnxruntime, or in onnxruntime-web of a browser; None where all of its values hold."""
        if browser is None:
            values = onnx_values.values(model, self.pixels)
        else:
            values = onnx_values.values_in_browser(model, self.pixels, browser)
        candidate = {name: array for name, array in values.items() if name in self.reference.values}
        value = first(self.reference, candidate)
        if value is None:
            return None
        changes = differences.of_onnx(self.reference.model, model)
        return self._found(f"{len(candidate)} values of both", value, candidate, changes, made="the reference model")

    def of_kept_names(self, road: Road, path: Path) -> Finding | None:
        """A graph of the direct converter; None where all values that it holds hold."""
        entries = held(self.reference.model, passes=road.passes)
        places = named(entries, road.tensors(path))
        candidate = {name: array for name, _, array in self._read(road, path, entries, places)}
        value = first(self.reference, candidate)
        if value is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            changes = road.differences(road.make(self.reference.model, Path(folder)), path)
        method = f"{len(candidate)} values that the artefact holds, by the converter's names"
        return self._found(method, value, candidate, changes)

    def of_other_road(self, road: Road, path: Path) -> Finding | None:
        """An artefact of any road; None where its outputs hold."""
        if self._outputs_hold(road, path):
            return None
        with tempfile.TemporaryDirectory() as folder:
            self._started("sending the model down the same road again")
            fresh = road.make(self.reference.model, Path(folder))
            if self._outputs_hold(road, fresh):
                return self._altered(road, fresh, path)
        return self._cut(road)

    def _altered(self, road: Road, fresh: Path, path: Path) -> Finding:
        """The road makes it right, and the file is another."""
        self._started("looking for the values in both")
        changes = road.differences(fresh, path)
        entries = held(self.reference.model, passes=False)
        there = set(road.tensors(path))
        places = [(name, tensor) for name, tensor in named(entries, road.tensors(fresh)) if tensor in there]
        # Optimisers keep the name of a node whose value they change: a product that takes in the ReLU behind it.
        right = [
            (name, tensor)
            for name, tensor, array in self._read(road, fresh, entries, places)
            if name not in self.reference.outputs and self._holds(name, array)
        ]
        candidate = {name: array for name, _, array in self._read(road, path, entries, right)}
        method = (
            f"{len(candidate)} values whose names the road keeps, each right in an artefact made again; "
            "the file is not what the road makes today"
        )
        value = first(self.reference, candidate)
        notes = self._first_tensor(road, fresh, path) if value and len(value.operators) > _MANY else []
        return self._found(method, value, candidate, changes, *notes)

    def _first_tensor(self, road: Road, fresh: Path, path: Path) -> list[str]:
        """Where the road keeps few of ONNX's names: what its own names say."""
        there = set(road.tensors(path))
        names = [tensor for tensor in road.tensors(fresh) if tensor in there]
        (_, wanted), (_, got) = (road.read(one, self.pixels, names) for one in (fresh, path))
        for name in names:
            limit = self.reference.limits.tolerance * float(np.abs(wanted[name]).max(initial=0))
            if wanted[name].shape != got[name].shape or not np.abs(wanted[name] - got[name]).max(initial=0) <= limit:
                return [f"first node out of tolerance by the road's own names: {name}"]
        return []

    def _cut(self, road: Road) -> Finding:
        """The road makes it wrong."""
        outputs = [name for name in self.reference.outputs if name in self.reference.values]
        for output in outputs:
            value, count = cutting.search(self.reference, road, output, self.pixels, started=self._started)
            if value is not None:
                method = f"{count} parts of the model sent down the same road, halving between input and {output}"
                return self._found(method, value, {}, None, "the road itself makes it so today")
        note = "each output is right when the model is cut to it alone: the error needs the whole model"
        return self._found("the model cut to each of its outputs", None, {}, None, note)

    def _read(self, road: Road, path: Path, entries: Mapping[str, Held], places: Iterable[Place]) -> list[Found]:
        """The values that hold in given tensors and then the outputs, in ONNX's order; others are left out."""
        pairs = list(places)
        answers, tensors = road.read(path, self.pixels, list(dict.fromkeys(tensor for _, tensor in pairs)))
        inner = [(name, tensor, in_onnx_order(tensors[tensor], entries[name])) for name, tensor in pairs]
        outputs = [(name, name, in_onnx(answer)) for name, answer in answers.items()]
        known = self.reference.values
        return [(name, tensor, array) for name, tensor, array in inner + outputs if array is not None and name in known]

    def _holds(self, name: str, array: Array) -> bool:
        return not compared(self.reference, {name: array}, name).off

    def _outputs_hold(self, road: Road, path: Path) -> bool:
        answers, _ = road.read(path, self.pixels)
        return self.reference.limits.hold(
            self.reference.values, {name: in_onnx(answer) for name, answer in answers.items()}
        )

    def _found(
        self,
        method: str,
        value: Value | None,
        candidate: Mapping[str, Array],
        changes: Differences | None,
        *notes: str,
        made: str = "what its road makes today",
    ) -> Finding:
        told = list(notes)
        if value is not None:
            gone = lost(self.reference, candidate, value) if candidate else None
            value = replace(value, operator=value.operator or gone or self._changed(value, changes))
            told += _swapped(self.reference, candidate, value)
            told += [f"without {gone} the operators here give what the artefact has"] if gone else []
            told += self._comes_in(candidate, value)
        told += changes.notes(made) if changes else []
        return Finding(self._label, self.reference.name, self._picture, method, value, tuple(told))

    def _changed(self, value: Value, changes: Differences | None) -> Operator | None:
        """The one of a value's operators whose constants differ."""
        if changes is None or not changes.constants:
            return None
        names = {operator.name: operator for operator in value.operators}
        nodes = [node for node in self.reference.model.graph.node if (node.name or node.output[0]) in names]
        constants = {tensor.name for tensor in self.reference.model.graph.initializer}
        found = [node for node in nodes if changes.changed(constants.intersection(node.input))]
        if not found and not changes.nodes:  # under names that are not known, but of one that has any
            found = [node for node in nodes if constants.intersection(node.input)]
        return names[found[0].name or found[0].output[0]] if len(found) == 1 else None

    def _comes_in(self, candidate: Mapping[str, Array], value: Value) -> list[str]:
        if value.alone is None or value.alone > value.max_abs / 2:
            return []
        try:
            source = largest_alone(self.reference, candidate, value.name)
        except FerExportError:
            return []
        if source is None or source.alone is None:
            return []
        return [f"largest error made by an operator before it: {source.operator}, {source.alone:.1e}"]


def _swapped(reference: Reference, candidate: Mapping[str, Array], value: Value) -> list[str]:
    """Whether another output of the artefact is what this one should be."""
    if value.name not in reference.outputs:
        return []
    wanted = reference.values[value.name]
    others = [name for name in reference.outputs if name != value.name and name in candidate]
    same = [
        name
        for name in others
        if candidate[name].shape == wanted.shape and np.abs(candidate[name] - wanted).max(initial=0) <= value.limit
    ]
    return [f"the artefact answers it as its output {name}: outputs are swapped" for name in same]
