"""This module runs ONNX's own operator tests in TF.js, and says which pass, which cannot be expressed, and why.

    cd tests && python -m tools.graphdef.node_cases [NAME ...]      run them, or those named; update node_cases.csv

It lives beside the tests and not in the package, since it needs `web/node_modules` and Node.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from fer_export.errors import FerExportError, InvalidInputError
from fer_export.tfgraph import Graph, convert
from fer_export.tfgraph.node_context import NotConstantError

from . import tfjs_node

RESULTS = Path(__file__).with_name("node_cases.csv")
_HELD = ("FLOAT", "INT32", "INT64", "BOOL")
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_FIELDS = ("case", "operator", "outcome", "why")


class Result(NamedTuple):
    """One case.

    Attributes:
        outcome: `passed`, `failed`, `not expressible` or `no function`.
        why: where it did not pass; or which inputs were made constants.
    """

    case: str
    operator: str
    outcome: str
    why: str


@cache
def cases() -> dict[str, Any]:
    """All node cases of the onnx that is installed, by name."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {case.name: case for case in load_model_tests(kind="node")}


def operator_of(name: str, found: dict[str, Any]) -> str:
    """The operator that a case is about; an expanded function is about the function."""
    base = name.partition("_expanded")[0]
    model = found.get(base, found[name]).model
    return str(model.graph.node[0].op_type)


def not_expressible(case: Any) -> str | None:
    """Why no TF.js graph can express a case, by rule.

    1. A type that TF.js does not have, of an input, an output, or what a Cast asks for.
    2. Integers beyond 32 bits.
    3. Another operator domain.
    4. Graphs as attributes: ONNX's control flow is not TF.js's.
    5. Random numbers.
    """
    graph = case.model.graph
    for entry in (*graph.input, *graph.output):
        kind = entry.type.WhichOneof("value")
        name = kind.removesuffix("_type") if kind != "tensor_type" else (
            onnx.TensorProto.DataType.Name(entry.type.tensor_type.elem_type))  # fmt: skip
        if name not in _HELD:
            return f"the type {name.lower()}"
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                name = onnx.TensorProto.DataType.Name(attribute.i)
                if name not in _HELD:
                    return f"the type {name.lower()}"
            if attribute.HasField("g"):
                return "control flow"
        if node.domain not in ("", "ai.onnx"):
            return f"the domain {node.domain}"
        if node.op_type in _RANDOM or (node.op_type == "Dropout" and _drops(case)):
            return "random numbers"
    for array in (*case.data_sets[0][0], *case.data_sets[0][1]):
        if array.dtype.kind in "iu" and array.size and np.abs(array.astype(np.float64)).max() > 2**31 - 1:
            return "integers beyond 32 bits"
    return None


def _drops(case: Any) -> bool:
    given = case.data_sets[0][0]
    return len(given) == 3 and bool(given[2].any()) and bool(given[1].any())


class Converted(NamedTuple):
    """A case that became a graph."""

    graph: Graph
    inputs: list[Any]
    frozen: list[str]


def converted(case: Any) -> Converted:
    """The graph, with those inputs made constants that its operators need as such.

    Raises:
        FerExportError: the converter refuses it.
        ValueError: nothing is left to run.
    """
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    given = dict(zip([entry.name for entry in model.graph.input], case.data_sets[0][0], strict=False))
    frozen: list[str] = []
    while True:
        try:
            graph = convert(model)
            break
        except (NotConstantError, InvalidInputError) as error:
            wanted = _wanted(model, error, set(frozen))
            if not wanted:
                raise
            frozen += wanted
            kept = [entry for entry in model.graph.input if entry.name not in wanted]
            del model.graph.input[:]
            model.graph.input.extend(kept)
            model.graph.initializer.extend(numpy_helper.from_array(given[name], name) for name in wanted)
    live = [entry.name for entry in model.graph.input]
    if not live and given:
        raise ValueError("nothing is left to run once its inputs are constants")
    return Converted(graph, [_last(given[name]) for name in live], frozen)


def run(names: Iterable[str] = ()) -> list[Result]:
    """Run the cases named, or all of them, in one Node."""
    found = cases()
    results: dict[str, Result] = {}
    jobs, frozen = [], {}
    for name in names or found:
        case, operator = found[name], operator_of(name, found)
        reason = not_expressible(case)
        if reason is not None:
            results[name] = Result(name, operator, "not expressible", reason)
            continue
        try:
            graph, inputs, fixed = converted(case)
        except (FerExportError, ValueError) as error:
            results[name] = Result(name, operator, _refused(error), _line(error))
            continue
        except Exception as error:
            results[name] = Result(name, operator, "failed", f"{type(error).__name__}: {_line(error)}")
            continue
        frozen[name] = fixed
        jobs.append(tfjs_node.Job(name, graph, inputs))
    for outcome in tfjs_node.run(jobs):
        why = outcome.error or _difference(found[outcome.name], outcome)
        fixed = "constant: " + " ".join(frozen[outcome.name]) if frozen[outcome.name] else ""
        results[outcome.name] = Result(
            outcome.name, operator_of(outcome.name, found), "failed" if why else "passed", why or fixed
        )
    return [results[name] for name in (names or found)]


def read(path: Path = RESULTS) -> list[Result]:
    """The results that are kept."""
    with path.open(newline="") as file:
        return [Result(**row) for row in csv.DictReader(file)]


def write(results: Iterable[Result], path: Path = RESULTS) -> None:
    """Keep results, by case."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_FIELDS)
        writer.writerows(sorted(results))


def _refused(error: Exception) -> str:
    text = str(error)
    if "which TF.js lacks" in text:
        return "not expressible"
    return "no function" if "this operator is not known" in text or "definition needs" in text else "failed"


def _wanted(model: onnx.ModelProto, error: FerExportError, frozen: set[str]) -> list[str]:
    """Which inputs to make constants after a refusal."""
    if isinstance(error, NotConstantError):
        return [name for name in _sources(model, error.tensor) if name not in frozen]
    if "cannot be inferred" not in str(error):
        return []
    return [entry.name for entry in model.graph.input if entry.type.tensor_type.elem_type in (6, 7, 9)]


def _sources(model: onnx.ModelProto, tensor: str) -> list[str]:
    """The graph's inputs that a tensor comes from."""
    made = {name: node for node in model.graph.node for name in node.output}
    inputs = {entry.name for entry in model.graph.input}
    found: list[str] = []
    pending = [tensor]
    while pending:
        name = pending.pop()
        if name in inputs and name not in found:
            found.append(name)
        elif name in made:
            pending += made[name].input
    # What was written out of a function has names of its own; and of what has a known shape, the
    # values do not matter: integers and booleans go first.
    parameters = [entry.name for entry in model.graph.input if entry.type.tensor_type.elem_type in (6, 7, 9)]
    return [name for name in found if name in parameters] or found or parameters


def _difference(case: Any, outcome: tfjs_node.Outcome) -> str:
    for index, (expected, got) in enumerate(zip(case.data_sets[0][1], outcome.outputs, strict=True)):
        wanted = _last(expected)
        if wanted.shape != got.shape:
            return f"output {index} has the shape {list(got.shape)}, not {list(wanted.shape)}"
        if (wanted.dtype.kind, got.dtype.kind) not in (("f", "f"), ("i", "i"), ("b", "b")):
            return f"output {index} has the type {got.dtype}, not {wanted.dtype}"
        try:
            np.testing.assert_allclose(got, wanted, rtol=max(case.rtol, 1e-3), atol=max(case.atol, 1e-5))
        except AssertionError:
            with np.errstate(all="ignore"):
                worst = np.abs(got.astype(np.float64) - wanted)
            return f"output {index} differs by up to {np.nanmax(worst) if worst.size else 0:.3g}"
    return ""


def _last(array: Any) -> Any:
    array = np.asarray(array)
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def main(names: list[str]) -> None:
    """Run, keep and report; with names, the results of other cases stay as they are kept."""
    results = run(names)
    old = [result for result in read() if result.case not in names] if names else []
    write([*old, *results])
    for result in results:
        if names or result.outcome == "failed":
            print(*result, sep="\t")
    print(dict(Counter(result.outcome for result in [*old, *results])))


if __name__ == "__main__":
    main(sys.argv[1:])
