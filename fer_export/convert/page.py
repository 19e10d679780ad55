"""This module writes the web page with a model in it, without Node: its code is packaged, and the models are data."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from fer_export import parity
from fer_export.contract import Contract, WeightsDType
from fer_export.contract.face_classifier import check_face_classifier
from fer_export.convert.detector import export_detector
from fer_export.convert.exporting import export
from fer_export.errors import InvalidInputError, MissingDependencyError, UsageError
from fer_export.files import replacing, replacing_directory
from fer_export.formats.model import Model, Source, as_model
from fer_export.formats.page_models import DETECTOR, pack_models
from fer_export.formats.tfjs import load_tfjs

#: The page without its models, as `make web` builds it and a wheel packs it.
PACKAGED = Path(__file__).parent.parent / "web"
#: The page's files, relative to its folder.
INDEX, CODE, MODELS = Path("index.html"), Path("dist/fer.js"), Path("dist/models.js")
FILES = (
    INDEX, Path("style.css"), Path("sw.js"), Path("manifest.webmanifest"), Path("icon.svg"),
    CODE, Path("dist/backends.js"), MODELS,
)  # fmt: skip
#: What marks an index.html as this page's.
_MARK = '<meta name="generator" content="fer-export">'


@dataclass(frozen=True)
class Page:
    """Describe a page that was written.

    Attributes:
        index: its `index.html`, which opens from disk and from any static host.
        contract: the classifier's contract.
        bytes: the size of all its files together.
        figures: the parity of what was converted on the way; empty where TF.js models were given.
    """

    index: Path
    contract: Contract
    bytes: int
    figures: tuple[parity.Figures, ...]


def page(
    path: str | PathLike[str],
    *,
    model: Source = "ferplus",
    detector: str | PathLike[str] | None = None,
    weights: WeightsDType | None = None,
    backends: Sequence[str] | None = None,
    only_models: bool = False,
    force: bool = False,
    started: Callable[[str], object] = lambda step: None,
) -> Page:
    """Write the page into a folder, with this model in it.

    Args:
        path: the folder. An earlier page there is replaced; other files stay.
        model: a TF.js folder, which is taken as it is; or a checkpoint or ONNX file, which is converted first, with
            parity: as a path, a packaged model's name, or what `load` has returned.
        detector: the folder with `pnet/`, `rnet/` and `onet/` in TF.js's format. None takes `detector/` in the model's
            folder where that is, else exports it.
        weights: the type of the stored weights of a model that is converted; None takes float16, half the download.
        backends: the backends of TF.js to check what is converted on; None takes wasm.
        only_models: write `dist/models.js` alone, into a page that is there.
        force: write into a folder that holds another page.
        started: called with a line about each step before it.

    Raises:
        UsageError: the model classifies no aligned faces, or the folder holds another page.
        InvalidInputError, ContractError: a model cannot be read, or a place cannot be written.
        MissingDependencyError: the page's code is not built, or what a conversion needs is missing.
        ParityError: a converted model does not compute what it was made from.
    """
    target = Path(fspath(path))
    _check_place(target, only_models=only_models, force=force)
    found = as_model(model)
    check_face_classifier(found.contract, "the page")
    if found.kind == "tfjs" and weights is not None:
        raise UsageError(f"weights has no effect: {found.path} is a TF.js model already")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fer-export-page-")))
        classifier, figures = _classifier(found, scratch, weights, backends, started)
        nets = _detector(found, detector, scratch, backends or ("wasm",), started)
        for net in DETECTOR:
            _check_net(nets / net, net)
        if backends is not None and not figures and nets.parent != scratch:
            raise UsageError("backends has no effect: the classifier and the detector are TF.js models already")
        started("writing the page")
        folders = {"classifier": classifier, **{net: nets / net for net in DETECTOR}}
        contracts = {name: load_tfjs(folder)[1] for name, folder in folders.items()}
        script = pack_models(folders, contracts)
    if only_models:
        with replacing(target / MODELS) as temporary:
            temporary.write_text(script, "utf-8")
    else:
        with replacing_directory(target, own=FILES) as folder:
            for name in FILES:
                (folder / name).parent.mkdir(exist_ok=True)
                if name != MODELS:
                    shutil.copyfile(PACKAGED / name, folder / name)
            (folder / MODELS).write_text(script, "utf-8")
    size = sum((target / name).stat().st_size for name in FILES if (target / name).is_file())
    return Page(target / INDEX, contracts["classifier"], size, figures)


def _check_place(target: Path, *, only_models: bool, force: bool) -> None:
    """Refuse, before anything is converted, what would be refused when it is written."""
    if not only_models and not all((PACKAGED / name).is_file() for name in FILES if name != MODELS):
        raise MissingDependencyError("the page's code is not built", hint="make web, in the checkout")
    index = target / INDEX
    if target.exists() and not target.is_dir():
        raise InvalidInputError(f"{target} is a file, and a folder is to be written there")
    if only_models:
        if not index.is_file():
            raise UsageError(f"there is no page in {target}", hint="without only_models (--only-models)")
        return
    others = [name for name in FILES if (target / name).exists()]
    if others and not force and not _is_ours(index):
        raise UsageError(
            f"{target} is there already, with {others[0]}, which fer-export did not write",
            hint="-o PATH writes somewhere else, --force replaces it (from Python: force=True)",
        )


def _is_ours(index: Path) -> bool:
    try:
        return _MARK in index.read_text("utf-8", errors="replace")
    except OSError:
        return False


def _classifier(
    model: Model,
    scratch: Path,
    weights: WeightsDType | None,
    backends: Sequence[str] | None,
    started: Callable[[str], object],
) -> tuple[Path, tuple[parity.Figures, ...]]:
    """Return the folder of the classifier's model.json, and the figures of its conversion."""
    if model.kind == "tfjs":
        load_tfjs(model.path)
        return (model.path if model.path.is_dir() else model.path.parent), ()
    made = export(
        model, scratch / "model", format="tfjs", weights=weights or "float16", backends=backends, started=started
    )
    return made.path, made.figures


def _detector(
    model: Model,
    given: str | PathLike[str] | None,
    scratch: Path,
    backends: Sequence[str],
    started: Callable[[str], object],
) -> Path:
    """Return the folder of the detector's three nets."""
    if given is not None:
        return Path(fspath(given))
    beside = (model.path if model.path.is_dir() else model.path.parent) / "detector"
    if model.kind == "tfjs" and beside.is_dir():
        return beside
    nets = scratch / "detector"
    export_detector(nets, scratch / "onnx", backends=backends, started=lambda name: started(f"exporting {name}"))
    return nets


def _check_net(folder: Path, stage: str) -> None:
    """Refuse a folder that does not hold this net of the detector."""
    contract = load_tfjs(folder)[1]
    if contract.cascade is None or contract.cascade.stage != stage:
        raise UsageError(f"{folder} is not {stage} of the detector", hint="fer-export detector writes it")
