"""This module fills the cells of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fer_export import parity
from fer_export.convert.route_exports import RouteExports
from fer_export.convert.routes import ROUTES
from fer_export.diagnose.matrix.cells import Cell, Kept
from fer_export.errors import MissingDependencyError, ParityError, reason
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Inputs, Outputs
from fer_export.runtimes.registry import Resources, names, open_runtime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime


def fill_cells(
    name: str,
    loaded: Checkpoint,
    *,
    browser: Browser,
    wanted: Sequence[str] = tuple(ROUTES),
    runtimes: Sequence[str] | None = None,
    kept: Kept | None = None,
    started: Callable[[str], object] = lambda what: None,
) -> list[Cell]:
    """Convert a model by each route, and compare the result in each of its runtimes with torch.

    A route that another one starts from is made too, but without cells of its own.

    Args:
        name: the model's name, for the cells.
        browser: the browser for all runtimes that need one.
        wanted: names from `ROUTES`.
        runtimes: their registered names; None takes all.
        kept: cells that are finished already; new ones are added route by route.
        started: called with each route and runtime before its turn.
    """
    kept = kept or Kept(None)
    module, contract = loaded.module(), loaded.contract
    batches = samples_for(contract)
    torch = TorchRuntime(module, contract)
    expected = [torch(batch.inputs) for batch in batches]
    filled: list[Cell] = []
    with RouteExports(loaded, browser) as exports:

        def measured(cell: Cell) -> Cell:
            started(f"{name}: making {cell.route}")
            try:
                path = exports.export(ROUTES[cell.route])
            except Exception as error:  # converters raise any type: the cell records it, and the other cells are filled
                return _refused(cell, error, over=isinstance(error, ParityError) and not ROUTES[cell.route].rounded)
            started(f"{name}: {cell.route} in {cell.runtime}")
            try:
                answers = _answers(exports, path, cell.runtime, [batch.inputs for batch in batches])
            except Exception as error:
                exports.end_workers()
                return _refused(cell, error)
            try:
                figures = parity.measure_parity(
                    _Replay("torch", expected), _Replay(cell.runtime, answers), batches, read_contract(path)
                )
            except ParityError as error:
                return _refused(cell, error, over=True)
            worst = max(figure.max_abs for figure in figures)
            return replace(cell, difference=worst, over=not all(figure.ok for figure in figures))

        for route in wanted:
            chosen = [each for each in names(ROUTES[route].kind) if runtimes is None or each in runtimes]
            cells = [Cell(name, contract.weights_sha256, route, each) for each in chosen]
            done = [kept.get(cell.key) or measured(cell) for cell in cells]
            kept.add(done)
            filled += done
    return filled


def _answers(exports: RouteExports, path: Path, runtime: str, inputs: Sequence[Inputs]) -> list[Outputs]:
    """Run an artefact without comparing; an error here is a refusal, not a wrong number."""
    with (
        Resources(exports.browser, exports.worker("tf")) as resources,
        open_runtime(path, resources, runtime) as opened,
    ):
        return [opened(each) for each in inputs]


def _refused(cell: Cell, error: Exception, *, over: bool = False) -> Cell:
    missing = isinstance(error, MissingDependencyError)
    return replace(cell, refusal=reason(error), missing=missing, over=over)


class _Replay:
    """Return outputs that a runtime has computed before, in their order."""

    def __init__(self, name: str, answers: Sequence[Outputs]) -> None:
        self.name = name
        self._answers: Iterator[Outputs] = iter(answers)

    def __call__(self, inputs: Inputs) -> Outputs:
        """Return the next outputs."""
        return next(self._answers)
