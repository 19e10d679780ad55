"""This module holds what tests share: small real models, a real browser, and the data where it is present."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from fer_export import models
from fer_export.contract import Architecture, Contract, Crop, Normalization, Output, PictureInput
from fer_export.faces.align import TEMPLATE_48
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from fer_export.runtimes.tfjs import Browser

if TYPE_CHECKING:
    from pages import Visit
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests a cache of their own, so that they neither use nor change the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_EXPORT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start TF.js in headless Chromium, once for each module, so that modules do not share its memory."""
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """Start a Chromium for the page, one for each module."""
    from pages import chromium_with

    with chromium_with() as running:
        yield running


@pytest.fixture(scope="module")
def page(chromium: Chromium) -> Iterator[Page]:
    """Open a blank page with the page's pure functions on it."""
    script = ROOT / "web" / "dist" / "testing.js"
    if not script.is_file():
        pytest.fail(f"{script} is not built; next: make web")
    page = chromium.new_page()
    page.add_script_tag(path=script)
    yield page
    page.close()


@pytest.fixture
def visit(chromium: Chromium) -> Iterator[Visit]:
    """Open the page from disk, and wait until it is ready."""
    from pages import FROM_DISK, Visit

    context = chromium.new_context()
    visit = Visit(context.new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    yield visit
    context.close()


@pytest.fixture(scope="session")
def fer2013_csv() -> Path:
    """The real FER2013, where it is beside the checkout."""
    return present("data/fer2013.csv.xz")


def present(name: str) -> Path:
    """A shared file, or a skip that says which one is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def make_checkpoint(architecture: str = "fernet", size: int = 48, channels: int = 1, **arguments: object) -> Checkpoint:
    """A checkpoint with random weights and random batch statistics: every number matters."""
    torch.manual_seed(7)
    arguments = {"num_classes": len(LABELS), **arguments}
    net = models.build(architecture, **arguments)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    state = net.state_dict()
    contract = Contract(
        architecture=Architecture(name=architecture, arguments=arguments),
        labels=LABELS,
        inputs=(
            PictureInput(
                height=size,
                width=size,
                channels=channels,
                color="gray" if channels == 1 else "rgb",
                normalization=Normalization(mean=(120.0,) * channels, std=(60.0,) * channels),
            ),
        ),
        crop=Crop(template=TEMPLATE_48) if size == 48 else None,
        outputs=(
            Output(name="probabilities", shape=(len(LABELS),), meaning="by label"),
            Output(name="logits", shape=(len(LABELS),), meaning="by label"),
        ),
        license="MIT",
        weights_sha256=weights_sha256(state),
    )
    return Checkpoint(contract, state)


@pytest.fixture(scope="session")
def small() -> Checkpoint:
    """Return fernet with narrow stages, which is quick to export."""
    return make_checkpoint(widths=(8, 16, 24))


@pytest.fixture(scope="session")
def small_onnx(small: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ONNX file of the small net. Do not write to it."""
    from fer_export.convert import onnx

    path = tmp_path_factory.mktemp("small") / "fer.onnx"
    onnx.export(small.module(), small.contract, path)
    return path


@pytest.fixture
def small_copy(small_onnx: Path, tmp_path: Path) -> Path:
    """A copy of the ONNX file to spoil."""
    path = tmp_path / "fer.onnx"
    path.write_bytes(small_onnx.read_bytes())
    return path


@pytest.fixture(scope="session")
def cli() -> Callable[..., tuple[int, str, str]]:
    """Call `fer-export` in this process; return exit code, stdout and stderr. Not for commands that open a browser."""
    from click.testing import CliRunner

    from fer_export.cli.main import main

    def call(*arguments: object) -> tuple[int, str, str]:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call
