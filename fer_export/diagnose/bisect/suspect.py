"""This module reads the values of a suspect artefact as ONNX values, and finds the first that is wrong."""

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
from fer_export.diagnose.bisect.reconvert import Reconversion
from fer_export.diagnose.bisect.scan import ReferenceValues, compared, first, largest_alone, lost
from fer_export.diagnose.bisect.tensor_map import in_onnx_order, matching, tensor_map
from fer_export.errors import FerExportError
from fer_export.runtimes import Inputs
from fer_export.runtimes.tfjs import Browser
from fer_export.tfgraph.graph import TensorLayout

#: A finding with more operators than this says little.
_MANY = 3
#: An ONNX value and the tensor that should hold it; `Found` adds the array that was read there.
Place = tuple[str, str]
Found = tuple[str, str, Array]


class Suspect:
    """Hold an artefact to compare with a reference on given pictures.

    Args:
        label: the artefact's name in findings.
        picture: the pictures' name in findings.
        started: called with a line about each slow step before it.
    """

    def __init__(
        self,
        reference: ReferenceValues,
        inputs: Inputs,
        *,
        label: str,
        picture: str,
        started: Callable[[str], object],
    ) -> None:
        self.reference, self.inputs = reference, inputs
        self._label, self._picture, self._started = label, picture, started

    def of_onnx(self, model: onnx.ModelProto, browser: Browser | None = None) -> Finding | None:
        """Bisect an ONNX model, in onnxruntime or in onnxruntime-web; None where all of its values are right."""
        if browser is None:
            values = onnx_values.values(model, self.inputs)
        else:
            values = onnx_values.values_in_browser(model, self.inputs, browser)
        suspect = {name: array for name, array in values.items() if name in self.reference.values}
        value = first(self.reference, suspect)
        if value is None:
            return None
        changes = differences.of_onnx(self.reference.model, model)
        return self._found(f"{len(suspect)} values of both", value, suspect, changes, made="the reference model")

    def of_kept_names(self, reconversion: Reconversion, path: Path) -> Finding | None:
        """Bisect a graph of the direct converter; None where all values that it holds are right."""
        entries = tensor_map(self.reference.model, passes=reconversion.route.passes)
        places = matching(entries, reconversion.tensor_names(path))
        suspect = {name: array for name, _, array in self._read(reconversion, path, entries, places)}
        value = first(self.reference, suspect)
        if value is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            changes = reconversion.differences(reconversion.make(self.reference.model, Path(folder)), path)
        method = f"{len(suspect)} values that the artefact holds, by the converter's names"
        return self._found(method, value, suspect, changes)

    def of_lost_names(self, reconversion: Reconversion, path: Path) -> Finding | None:
        """Bisect an artefact of any route; None where its outputs are right."""
        if self._outputs_hold(reconversion, path):
            return None
        with tempfile.TemporaryDirectory() as folder:
            self._started("sending the model down the same route again")
            fresh = reconversion.make(self.reference.model, Path(folder))
            if self._outputs_hold(reconversion, fresh):
                return self._altered(reconversion, fresh, path)
        return self._cut(reconversion)

    def _altered(self, reconversion: Reconversion, fresh: Path, path: Path) -> Finding:
        """Bisect a file that differs from what its route makes today, where the new one is right."""
        self._started("looking for the values in both")
        changes = reconversion.differences(fresh, path)
        entries = tensor_map(self.reference.model, passes=False)
        there = set(reconversion.tensor_names(path))
        places = [
            (name, tensor) for name, tensor in matching(entries, reconversion.tensor_names(fresh)) if tensor in there
        ]
        # Optimisers keep a node's name when they change its value, as for a product that takes in the ReLU after it.
        right = [
            (name, tensor)
            for name, tensor, array in self._read(reconversion, fresh, entries, places)
            if name not in self.reference.outputs and self._holds(name, array)
        ]
        suspect = {name: array for name, _, array in self._read(reconversion, path, entries, right)}
        method = (
            f"{len(suspect)} values whose names the route keeps, each right in an artefact made again; "
            "the file is not what the route makes today"
        )
        value = first(self.reference, suspect)
        notes = self._first_tensor(reconversion, fresh, path) if value and len(value.operators) > _MANY else []
        return self._found(method, value, suspect, changes, *notes)

    def _first_tensor(self, reconversion: Reconversion, fresh: Path, path: Path) -> list[str]:
        """Return a note with the first wrong tensor by the route's own names, where it keeps few of ONNX's."""
        there = set(reconversion.tensor_names(path))
        names = [tensor for tensor in reconversion.tensor_names(fresh) if tensor in there]
        (_, wanted), (_, got) = (reconversion.run(one, self.inputs, names) for one in (fresh, path))
        for name in names:
            limit = self.reference.limits.tolerance * float(np.abs(wanted[name]).max(initial=0))
            if wanted[name].shape != got[name].shape or not np.abs(wanted[name] - got[name]).max(initial=0) <= limit:
                return [f"first node out of tolerance by the route's own names: {name}"]
        return []

    def _cut(self, reconversion: Reconversion) -> Finding:
        """Bisect a route that makes the artefact wrong, by converting parts of the model."""
        outputs = [name for name in self.reference.outputs if name in self.reference.values]
        for output in outputs:
            value, count = cutting.search(self.reference, reconversion, output, self.inputs, started=self._started)
            if value is not None:
                method = f"{count} parts of the model sent down the same route, halving between input and {output}"
                return self._found(method, value, {}, None, "the route itself makes it so today")
        note = "each output is right when the model is cut to it alone: the error needs the whole model"
        return self._found("the model cut to each of its outputs", None, {}, None, note)

    def _read(
        self, reconversion: Reconversion, path: Path, entries: Mapping[str, TensorLayout], places: Iterable[Place]
    ) -> list[Found]:
        """Return the values in given tensors and then the outputs, in ONNX's layout; unknown ones are left out."""
        pairs = list(places)
        answers, tensors = reconversion.run(path, self.inputs, list(dict.fromkeys(tensor for _, tensor in pairs)))
        inner = [(name, tensor, in_onnx_order(tensors[tensor], entries[name])) for name, tensor in pairs]
        outputs = [(name, name, in_onnx(answer)) for name, answer in answers.items()]
        known = self.reference.values
        return [(name, tensor, array) for name, tensor, array in inner + outputs if array is not None and name in known]

    def _holds(self, name: str, array: Array) -> bool:
        return not compared(self.reference, {name: array}, name).off

    def _outputs_hold(self, reconversion: Reconversion, path: Path) -> bool:
        answers, _ = reconversion.run(path, self.inputs)
        return self.reference.limits.hold(
            self.reference.values, {name: in_onnx(answer) for name, answer in answers.items()}
        )

    def _found(
        self,
        method: str,
        value: Value | None,
        suspect: Mapping[str, Array],
        changes: Differences | None,
        *notes: str,
        made: str = "what its route makes today",
    ) -> Finding:
        told = list(notes)
        if value is not None:
            gone = lost(self.reference, suspect, value) if suspect else None
            value = replace(value, operator=value.operator or gone or self._changed(value, changes))
            told += _swapped(self.reference, suspect, value)
            told += [f"without {gone} the operators here give what the artefact has"] if gone else []
            told += self._comes_in(suspect, value)
        told += changes.notes(made) if changes else []
        return Finding(self._label, self.reference.name, self._picture, method, value, tuple(told))

    def _changed(self, value: Value, changes: Differences | None) -> Operator | None:
        """Return the operator of a value whose constants differ, if it is exactly one."""
        if changes is None or not changes.constants:
            return None
        names = {operator.name: operator for operator in value.operators}
        nodes = [node for node in self.reference.model.graph.node if (node.name or node.output[0]) in names]
        constants = {tensor.name for tensor in self.reference.model.graph.initializer}
        found = [node for node in nodes if changes.changed(constants.intersection(node.input))]
        if not found and not changes.nodes:  # the constants have unknown names: take the only operator that has any
            found = [node for node in nodes if constants.intersection(node.input)]
        return names[found[0].name or found[0].output[0]] if len(found) == 1 else None

    def _comes_in(self, suspect: Mapping[str, Array], value: Value) -> list[str]:
        if value.alone is None or value.alone > value.max_abs / 2:
            return []
        try:
            source = largest_alone(self.reference, suspect, value.name)
        except FerExportError:
            return []
        if source is None or source.alone is None:
            return []
        return [f"largest error made by an operator before it: {source.operator}, {source.alone:.1e}"]


def _swapped(reference: ReferenceValues, suspect: Mapping[str, Array], value: Value) -> list[str]:
    """Return a note for each other output of the artefact that holds what this one should."""
    if value.name not in reference.outputs:
        return []
    wanted = reference.values[value.name]
    others = [name for name in reference.outputs if name != value.name and name in suspect]
    same = [
        name
        for name in others
        if suspect[name].shape == wanted.shape and np.abs(suspect[name] - wanted).max(initial=0) <= value.limit
    ]
    return [f"the artefact answers it as its output {name}: outputs are swapped" for name in same]
