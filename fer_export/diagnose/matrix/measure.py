"""Fills the cells of one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fer_export import parity
from fer_export.convert.routes import ROADS, Workshop
from fer_export.diagnose.matrix.cells import Cell, Kept
from fer_export.errors import MissingDependencyError, ParityError, reason
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.parity.samples import samples_for
from fer_export.runtimes import Answers, Pixels
from fer_export.runtimes.registry import Resources, names, open_runtime
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime


def fill(
    name: str,
    loaded: Checkpoint,
    *,
    browser: Browser,
    wanted: Sequence[str] = tuple(ROADS),
    runtimes: Sequence[str] | None = None,
    kept: Kept | None = None,
    started: Callable[[str], object] = lambda what: None,
) -> list[Cell]:
    """Go each road with a model, and run what is at its end in each runtime for it, against torch.

    A road that another one sets out from is gone too, without cells of its own.

    Args:
        name: of the model, for the cells.
        browser: for all that runs in one.
        wanted: of `ROADS`.
        runtimes: their registered names; None for all.
        kept: cells that are finished already; new ones are added, road by road.
        started: told each road and runtime before its turn.
    """
    kept = kept or Kept(None)
    module, contract = loaded.module(), loaded.contract
    batches = samples_for(contract)
    torch = TorchRuntime(module, contract)
    expected = [torch(batch.pixels) for batch in batches]
    filled: list[Cell] = []
    with Workshop(loaded, browser) as shop:

        def measured(cell: Cell) -> Cell:
            started(f"{name}: making {cell.road}")
            try:
                path = shop.make(cell.road)
            except Exception as error:  # of whatever library: it is told, and the other cells are filled
                return _refused(cell, error, over=isinstance(error, ParityError) and not ROADS[cell.road].rounded)
            started(f"{name}: {cell.road} in {cell.runtime}")
            try:
                answers = _answers(shop, path, cell.runtime, [batch.pixels for batch in batches])
            except Exception as error:
                shop.end_workers()
                return _refused(cell, error)
            try:
                figures = parity.measure(
                    _Replay("torch", expected), _Replay(cell.runtime, answers), batches, read_contract(path)
                )
            except ParityError as error:
                return _refused(cell, error, over=True)
            worst = max(figure.max_abs for figure in figures)
            return replace(cell, difference=worst, over=not all(figure.ok for figure in figures))

        for road in wanted:
            chosen = [each for each in names(ROADS[road].kind) if runtimes is None or each in runtimes]
            cells = [Cell(name, contract.weights_sha256, road, each) for each in chosen]
            done = [kept.get(cell.key) or measured(cell) for cell in cells]
            kept.add(done)
            filled += done
    return filled


def _answers(shop: Workshop, path: Path, runtime: str, pictures: Sequence[Pixels]) -> list[Answers]:
    """Of an artefact, outside of any comparison: what fails here has refused, and is not wrong."""
    with (
        Resources(shop.browser, shop.worker("tf")) as resources,
        open_runtime(path, resources, runtime) as opened,
    ):
        return [opened(pixels) for pixels in pictures]


def _refused(cell: Cell, error: Exception, *, over: bool = False) -> Cell:
    missing = isinstance(error, MissingDependencyError)
    return replace(cell, refusal=reason(error), missing=missing, over=over)


class _Replay:
    """Answers that a runtime has given, once more and in their order."""

    def __init__(self, name: str, answers: Sequence[Answers]) -> None:
        self.name = name
        self._answers: Iterator[Answers] = iter(answers)

    def __call__(self, pixels: Pixels) -> Answers:
        """The next ones."""
        return next(self._answers)
