"""fer-export takes a face-emotion model from PyTorch to a web page, with parity shown at every hop.

    import fer_export

    model = fer_export.load("best.safetensors")
    fer_export.export(model, "web/model", format="tfjs", weights="float16")
    fer_export.verify("web/model", against="build/fer.onnx")
    for face in fer_export.Predictor("ferplus")("group.jpg"):
        print(face.box, face.label, face.probabilities)

The commands of `fer-export` call these functions. Nothing heavy is imported before one of them is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fer_export.errors import (
    ContractError,
    FerExportError,
    InvalidInputError,
    MissingDependencyError,
    ParityError,
    UnsupportedOperatorError,
    UsageError,
)

if TYPE_CHECKING:
    from fer_export.convert.detector import export_detector
    from fer_export.convert.exporting import export
    from fer_export.convert.page import page
    from fer_export.diagnose.bench.run import bench
    from fer_export.diagnose.bench.run_convert import bench_convert
    from fer_export.diagnose.matrix.run import matrix
    from fer_export.faces.cascade import detect
    from fer_export.formats.model import load
    from fer_export.parity.verification import verify
    from fer_export.predictor import Predictor

__version__ = "0.1.0"

__all__ = [
    "ContractError",
    "FerExportError",
    "InvalidInputError",
    "MissingDependencyError",
    "ParityError",
    "Predictor",
    "UnsupportedOperatorError",
    "UsageError",
    "__version__",
    "bench",
    "bench_convert",
    "detect",
    "export",
    "export_detector",
    "load",
    "matrix",
    "page",
    "verify",
]

_HOMES = {
    "Predictor": "fer_export.predictor",
    "bench": "fer_export.diagnose.bench.run",
    "bench_convert": "fer_export.diagnose.bench.run_convert",
    "detect": "fer_export.faces.cascade",
    "export": "fer_export.convert.exporting",
    "export_detector": "fer_export.convert.detector",
    "load": "fer_export.formats.model",
    "matrix": "fer_export.diagnose.matrix.run",
    "page": "fer_export.convert.page",
    "verify": "fer_export.parity.verification",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, since torch alone takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
