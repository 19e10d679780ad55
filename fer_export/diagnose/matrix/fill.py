"""Fills the cells of one model."""

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
    """Go each route with a model, and run what is at its end in each runtime for it, against torch.

    A route that another one sets out from is gone too, without cells of its own.

    Args:
        name: of the model, for the cells.
        browser: for all that runs in one.
        wanted: of `ROUTES`.
        runtimes: their registered names; None for all.
        kept: cells that are finished already; new ones are added, route by route.
        started: told each route and runtime before its turn.
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
            except Exception as error:  # of whatever library: it is told, and the other cells are filled
                return _refused(cell, error, over=isinstance(error, ParityError) and not ROUTES[cell.route].rounded)
            started(f"{name}: {cell.route} in {cell.runtime}")
            try:
                answers = _answers(exports, path, cell.runtime, [batch.inputs for batch in batches])
            except Exception as error:
                exports.end_workers()
                return _refused(cell, error)
            try:
                figures = parity.measure(
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
    """Of an artefact, outside of any comparison: what fails here has refused, and is not wrong."""
    with (
        Resources(exports.browser, exports.worker("tf")) as resources,
        open_runtime(path, resources, runtime) as opened,
    ):
        return [opened(each) for each in inputs]


def _refused(cell: Cell, error: Exception, *, over: bool = False) -> Cell:
    missing = isinstance(error, MissingDependencyError)
    return replace(cell, refusal=reason(error), missing=missing, over=over)


class _Replay:
    """Outputs that a runtime has given, once more and in their order."""

    def __init__(self, name: str, answers: Sequence[Outputs]) -> None:
        self.name = name
        self._answers: Iterator[Outputs] = iter(answers)

    def __call__(self, inputs: Inputs) -> Outputs:
        """The next ones."""
        return next(self._answers)
