"""This module times nets in turn, on each runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fer_export.diagnose.bench import RUNTIMES
from fer_export.diagnose.bench.nets import Artefacts, Net, build
from fer_export.diagnose.bench.timing import Span, Timing, in_turn
from fer_export.errors import MissingDependencyError
from fer_export.runtimes import Inputs, onnxruntime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime

#: The number of first calls that are not counted: kernels are chosen, memory is taken, code is compiled.
WARM_UP = 20

#: A function that runs the nets in turn on their inputs, a given number of times each.
Timer = Callable[[Sequence[Inputs], int], Sequence[Sequence[Span]]]


@dataclass(frozen=True)
class TimedNets:
    """Hold the times, and for each net the bytes of its TF.js weight files by type (empty without TF.js)."""

    timings: list[Timing]
    weights: list[dict[str, int]]


def missing(runtime: str, browser: Browser) -> MissingDependencyError | None:
    """Return why one of `RUNTIMES` cannot be used here, or None."""
    try:
        if runtime != "torch":
            onnxruntime.version()
        if runtime == "tfjs":
            browser.tfjs_version  # noqa: B018  (starts it)
    except MissingDependencyError as error:
        return error
    return None


def time_nets(
    nets: Sequence[Net],
    runtimes: Sequence[str] = RUNTIMES,
    *,
    browser: Browser,
    backends: Sequence[str] = ("wasm",),
    batches: Sequence[int] = (1,),
    rounds: int = 10,
    turns: int = 20,
    started: Callable[[str], object] = lambda name: None,
) -> TimedNets:
    """Build the artefacts of all nets, then time them in turn, each on pictures of its own size.

    Everything but `webgl` runs on one thread of the CPU, because a pool of threads that still spins after
    one net would slow the next one down.

    Args:
        nets: the model, and the reference where there is one.
        runtimes: names from `RUNTIMES`.
        backends: the backends of TF.js.
        batches: the numbers of pictures for each call.
        rounds: the number of rounds for each runtime and batch size.
        turns: the number of calls of each net in a round, at least 2.
        started: called with a line about each step before it.

    Raises:
        MissingDependencyError: a runtime is missing.
        ParityError, InvalidInputError: the same as for the exporters.
    """
    for runtime in runtimes:
        if reason := missing(runtime, browser):
            raise reason
    with TemporaryDirectory(prefix="fer-export-bench-") as temporary:
        built = []
        for index, net in enumerate(nets):
            started(f"building {net.name}")
            built.append(build(net, Path(temporary, str(index)), runtimes, browser, backends))
        timings = []
        for runtime in (name for kind in runtimes for name in _named(kind, backends)):
            with _timer(runtime, nets, built, browser) as timer:
                for batch in batches:
                    started(f"timing {runtime}, batch {batch}")
                    inputs = [net.pictures(batch) for net in nets]
                    timer(inputs, WARM_UP)
                    timings.append(Timing(runtime, batch, [timer(inputs, turns) for _ in range(rounds)]))
    return TimedNets(timings, [artefacts.weights for artefacts in built])


def _named(kind: str, backends: Sequence[str]) -> list[str]:
    return [f"tfjs-{backend}" for backend in backends] if kind == "tfjs" else [kind]


@contextmanager
def _timer(runtime: str, nets: Sequence[Net], built: Sequence[Artefacts], browser: Browser) -> Iterator[Timer]:
    if runtime.startswith("tfjs-"):
        with ExitStack() as stack:
            folders = [artefacts.tfjs for artefacts in built if artefacts.tfjs]
            opened = [stack.enter_context(browser.open(each, runtime.removeprefix("tfjs-"))) for each in folders]
            yield partial(browser.time, opened)
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        loaded = [_runtime(runtime, net, artefacts) for net, artefacts in zip(nets, built, strict=True)]

        def timer(inputs: Sequence[Inputs], turns: int) -> list[list[Span]]:
            return in_turn([partial(net, each) for net, each in zip(loaded, inputs, strict=True)], turns)

        yield timer
    finally:
        torch.set_num_threads(threads)


def _runtime(name: str, net: Net, artefacts: Artefacts) -> TorchRuntime | onnxruntime.OnnxRuntime:
    if artefacts.onnx and name == "onnxruntime":
        return onnxruntime.OnnxRuntime(artefacts.onnx, threads=1)
    return TorchRuntime(net.checkpoint.module(), net.checkpoint.contract)
