"""Nets in turn, on each runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fer_export.diagnose.bench.nets import Artefacts, Net, build
from fer_export.diagnose.bench.timing import Span, Timing, in_turn
from fer_export.errors import MissingDependencyError
from fer_export.runtimes import Pixels, onnxruntime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime

RUNTIMES = ("torch", "onnxruntime", "tfjs")
#: Calls that are not counted: kernels are chosen, memory is taken, code is compiled.
WARM_UP = 20

#: Runs the nets in turn on their pictures, so many times each.
Timer = Callable[[Sequence[Pixels], int], Sequence[Sequence[Span]]]


@dataclass(frozen=True)
class Measured:
    """Times, and for each net the bytes of its TF.js weight files by how they are kept (without TF.js none)."""

    timings: list[Timing]
    weights: list[dict[str, int]]


def missing(runtime: str, browser: Browser) -> MissingDependencyError | None:
    """Why one of `RUNTIMES` cannot be used here; None where it can."""
    try:
        if runtime != "torch":
            onnxruntime.version()
        if runtime == "tfjs":
            browser.tfjs_version  # noqa: B018  (starts it)
    except MissingDependencyError as error:
        return error
    return None


def measure(
    nets: Sequence[Net],
    runtimes: Sequence[str] = RUNTIMES,
    *,
    browser: Browser,
    backends: Sequence[str] = ("wasm",),
    batches: Sequence[int] = (1,),
    rounds: int = 10,
    turns: int = 20,
    started: Callable[[str], object] = lambda name: None,
) -> Measured:
    """Build the artefacts of all nets, then time them in turn, each on pictures of its own size.

    Everything runs on one thread of the CPU (`webgl` aside): a pool of threads that still spins after
    one net would slow the next one down.

    Args:
        nets: the model, and the reference where there is one.
        runtimes: of `RUNTIMES`.
        backends: of TF.js.
        batches: pictures a call.
        rounds: rounds of each runtime and batch size.
        turns: calls of each net a round, at least 2.
        started: told what is done, before it is.

    Raises:
        MissingDependencyError: a runtime is not there.
        ParityError, InvalidInputError: as for the exporters.
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
                    pixels = [net.pictures(batch) for net in nets]
                    timer(pixels, WARM_UP)
                    timings.append(Timing(runtime, batch, [timer(pixels, turns) for _ in range(rounds)]))
    return Measured(timings, [artefacts.weights for artefacts in built])


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

        def timer(pixels: Sequence[Pixels], turns: int) -> list[list[Span]]:
            return in_turn([partial(net, each) for net, each in zip(loaded, pixels, strict=True)], turns)

        yield timer
    finally:
        torch.set_num_threads(threads)


def _runtime(name: str, net: Net, artefacts: Artefacts) -> TorchRuntime | onnxruntime.OnnxRuntime:
    if artefacts.onnx and name == "onnxruntime":
        return onnxruntime.OnnxRuntime(artefacts.onnx, threads=1)
    return TorchRuntime(net.checkpoint.module(), net.checkpoint.contract)
