"""This module measures how far two runtimes' outputs lie apart on the same pictures.

An output is within tolerance when no value lies farther from the reference than

    tolerance · max(1, largest |value| of the reference for that output over all pictures / unit).

Tolerance and unit are those of the artefact's contract (`contract/tolerance.py`). With a unit of one the tolerance
is absolute for outputs up to 1, probabilities among them, and a share of the output's own scale above: float32 keeps
24 bits of a number however large it is (IEEE 754), and each sum of a layer is rounded to that. An output has a single
limit, so its small values may differ as much as its large ones. The top class has a limit of its own, which does not
grow with the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_export.contract import BY_LABEL, Contract, Parity
from fer_export.errors import FerExportError, MissingDependencyError, ParityError
from fer_export.parity.samples import Batch
from fer_export.runtimes import Outputs, Runtime

#: A function that is called with a runtime that cannot be started or gives no usable numbers, and the error.
Refused = Callable[[str, FerExportError], object]


@dataclass(frozen=True)
class Figures:
    """Say how far one output of one runtime lies from the reference.

    Attributes:
        max_abs, rmse: the largest difference and the root mean square difference, over all values of all pictures.
        cosine: the cosine between the two outputs, each with all values as one vector.
        top1: the share of pictures with the same top class; None for outputs that are not by label.
        worst: the name of the picture with the largest difference.
        tolerance: the tolerance before it is scaled.
        scale: the largest |value| of the reference over all pictures, in units; at least 1.
        least_top1: the smallest `top1` allowed.
    """

    runtime: str
    reference: str
    output: str
    max_abs: float
    rmse: float
    cosine: float
    top1: float | None
    worst: str
    samples: int
    tolerance: float
    least_top1: float
    scale: float = 1.0

    @property
    def limit(self) -> float:
        """Return the largest difference allowed."""
        return self.tolerance * self.scale

    @property
    def ok(self) -> bool:
        """Return whether the output is within tolerance; NaN never is."""
        return self.max_abs <= self.limit and (self.top1 is None or self.top1 >= self.least_top1)

    def record(self) -> Parity:
        """Return the contract's record, in three significant digits."""
        return Parity(
            runtime=self.runtime,
            reference=self.reference,
            output=self.output,
            max_abs=_three(self.max_abs),
            rmse=_three(self.rmse),
            cosine=round(self.cosine, 9),
            top1=self.top1,
            samples=self.samples,
            tolerance=self.tolerance,
            scale=_three(self.scale),
        )


@contextmanager
def going_on(runtime: str, refused: Refused | None) -> Iterator[None]:
    """Run one runtime's turn; if it cannot be started or gives no usable numbers, call `refused` and go on.

    Raises:
        MissingDependencyError, ParityError: the turn failed, and `refused` is None.
    """
    try:
        yield
    except (MissingDependencyError, ParityError) as error:
        if refused is None:
            raise
        refused(runtime, error)


def measure_parity(
    reference: Runtime, runtime: Runtime, batches: Sequence[Batch], contract: Contract, tolerance: float | None = None
) -> list[Figures]:
    """Run both over all batches and compare every output of the contract.

    Args:
        contract: the contract of the artefact that `runtime` runs; it gives the outputs and the tolerance.
        tolerance: a tolerance, before it is scaled, in place of the contract's.

    Raises:
        ParityError: the runtime lacks an output or returns another shape, or a value of either is not finite.
    """
    expected = [reference(batch.inputs) for batch in batches]
    answers = [runtime(batch.inputs) for batch in batches]
    names = [name for batch in batches for name in batch.names]
    allowed = contract.tolerance
    limit = allowed.value if tolerance is None else tolerance
    figures = []
    for output in contract.outputs:
        wanted, got = _rows(expected, output.name, reference.name), _rows(answers, output.name, runtime.name)
        for name, a, b in zip(names, wanted, got, strict=True):
            if a.shape != b.shape:
                raise ParityError(
                    f"{runtime.name}, output {output.name}, picture {name}: "
                    f"shape {b.shape}, {reference.name} says {a.shape}"
                )
            # An infinite value of the reference would make the limit infinite.
            for one, values in ((reference, a), (runtime, b)):
                if not np.isfinite(values).all():
                    raise ParityError(f"{one.name}, output {output.name}, picture {name}: a value is not finite")
        top1 = allowed.top1 if contract.labels and output.name in BY_LABEL else None
        scale = max(1.0, max(float(np.abs(row).max()) for row in wanted) / allowed.unit)
        who = (runtime.name, reference.name, output.name)
        figures.append(_figures(who, names, wanted, got, limit, scale, top1))
    return figures


def gate(figures: Sequence[Figures], *, hint: str | None = None) -> None:
    """Raise an error when a figure is out of tolerance, naming the worst.

    Raises:
        ParityError: a figure is out of tolerance, or there is none.
    """
    if not figures:
        raise ParityError("nothing was compared")
    bad = [figure for figure in figures if not figure.ok]
    if bad:
        worst = max(bad, key=lambda figure: figure.max_abs / figure.scale)
        top1 = "" if worst.top1 is None else f", top-1 agreement {worst.top1:.1%}"
        raise ParityError(
            f"{worst.runtime} differs from its reference: output {worst.output}, picture {worst.worst}: "
            f"{worst.max_abs:.2e}, and {worst.limit:.1e} is allowed{top1}",
            hint=hint,
        )


Values = npt.NDArray[np.float32]


def _rows(answers: Sequence[Outputs], output: str, runtime: str) -> list[Values]:
    for answer in answers:
        if output not in answer:
            raise ParityError(f"{runtime} has no output {output} (it has {', '.join(answer)})")
    return [row for answer in answers for row in answer[output]]


def _figures(
    who: tuple[str, str, str],
    names: Sequence[str],
    wanted: Sequence[Values],
    got: Sequence[Values],
    tolerance: float,
    scale: float,
    least_top1: float | None,
) -> Figures:
    apart = [np.abs(a.astype(np.float64) - b).max() for a, b in zip(wanted, got, strict=True)]
    a = np.concatenate([row.ravel() for row in wanted]).astype(np.float64)
    b = np.concatenate([row.ravel() for row in got]).astype(np.float64)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    same = [int(x.argmax() == y.argmax()) for x, y in zip(wanted, got, strict=True)]
    return Figures(
        runtime=who[0],
        reference=who[1],
        output=who[2],
        max_abs=float(max(apart)),
        rmse=float(np.sqrt(np.mean((a - b) ** 2))),
        cosine=float(a @ b / norms) if norms else float(np.array_equal(a, b)),
        top1=None if least_top1 is None else float(np.mean(same)),
        worst=names[int(np.argmax(apart))],
        samples=len(names),
        tolerance=tolerance,
        least_top1=least_top1 or 0.0,
        scale=scale,
    )


def _three(value: float) -> float:
    return float(f"{value:.2e}")
