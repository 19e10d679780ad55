"""These tests check the page with a model that somebody brings: chosen, dropped as a folder, or by its address."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, make_checkpoint
from pages import FROM_DISK, WEB, Visit, hosted
from playwright.sync_api import Browser

from fer_export.contract import KEY
from fer_export.convert import exporting
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.model import Model
from training.data.pictures import crop_rule

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
LABELS = ("calm", "cheerful", "cross")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TF.js model with three labels of its own, for pictures of 32 × 32, in shards."""
    made = make_checkpoint(size=32, widths=(8, 16, 24), num_classes=len(LABELS))
    outputs = tuple(output.model_copy(update={"shape": (len(LABELS),)}) for output in made.contract.outputs)
    contract = made.contract.but(labels=LABELS, outputs=outputs, crop=crop_rule(32))
    folder = tmp_path_factory.mktemp("own") / "model"
    loaded = Checkpoint(contract, made.state)
    exporting.export(Model(Path("own.safetensors"), "torch", contract, loaded), folder, format="tfjs")
    _in_two_shards(folder)
    return folder


def _in_two_shards(folder: Path) -> None:
    """Cut the one shard in two, as in larger models; the contract's hash is over the whole."""
    path = folder / "model.json"
    document = json.loads(path.read_text("utf-8"))
    (group,) = document["weightsManifest"]
    (name,) = group["paths"]
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    group["paths"] = ["a.bin", "b.bin"]
    (folder / "a.bin").write_bytes(content[:1001])
    (folder / "b.bin").write_bytes(content[1001:])
    path.write_text(json.dumps(document), "utf-8")


@pytest.fixture
def own(exported: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be changed."""
    return Path(shutil.copytree(exported, tmp_path / "model"))


def choose(visit: Visit, folder: Path) -> None:
    visit.page.set_input_files("#model-files", sorted(folder.iterdir()))


def reads(visit: Visit, labels: tuple[str, ...]) -> None:
    """Check that the page reads the portrait with a model of these labels."""
    frames = visit.fer("frames")
    visit.page.set_input_files("#file", PORTRAIT)
    visit.until(f"fer.frames === {frames + 1}")
    (face,) = visit.fer("faces")
    assert set(face["probabilities"]) == set(labels)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def packaged_labels() -> tuple[str, ...]:
    document = json.loads((WEB / "model" / "model.json").read_text("utf-8"))
    return tuple(document["userDefinedMetadata"][KEY]["labels"])


def test_chosen_files_become_the_model(visit: Visit, own: Path) -> None:
    reads(visit, packaged_labels())
    choose(visit, own)
    visit.until("fer.source === 'none' && fer.parity.models[0].outputs.length === 2")
    assert visit.fer("parity.ok") is True
    reads(visit, LABELS)
    cards = visit.page.locator("#faces").inner_text()
    assert all(label in cards for label in LABELS)
    visit.page.click("#about summary")
    assert "fernet, 32 × 32 gray, float32 weights" in visit.said("#provenance")
    assert visit.complaints == []


def test_a_dropped_folder_becomes_the_model(visit: Visit, own: Path) -> None:
    (own / "README.txt").write_text("beside it")
    data = {"items": [], "files": [str(own)], "dragOperationsMask": 1}
    devtools = visit.page.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 5, "y": 5, "data": data})
    visit.page.locator("#provenance").get_by_text("32 × 32").wait_for(state="attached")
    reads(visit, LABELS)


def test_a_model_whose_weights_were_changed_raises_the_alarm(visit: Visit, own: Path) -> None:
    content = (own / "a.bin").read_bytes()
    weights = np.frombuffer(content[:1000], np.float32) * np.float32(1.5)  # all of them of the first convolutions
    (own / "a.bin").write_bytes(weights.tobytes() + content[1000:])
    choose(visit, own)
    visit.until("fer.parity.ok === false")
    assert "(classifier): do not trust it" in visit.said("#alarm")


def test_what_cannot_be_used_is_said_and_the_model_before_stays(visit: Visit, own: Path, tmp_path: Path) -> None:
    def refused(folder: Path, why: str) -> None:
        choose(visit, folder)
        visit.until(f"(fer.error || '').includes({json.dumps(why)})")
        assert why in visit.said("#alert")

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "other.json").write_text("[]")
    refused(empty, "other.json is not a TF.js graph model: it names no weights")
    (empty / "other.json").write_text("{")
    refused(empty, "other.json is not JSON")
    content = (own / "model.json").read_text("utf-8")
    (own / "model.json").write_text(content.replace('"cross"', '"angry"'), "utf-8")
    refused(own, "the classifier's contract was edited after it was written")
    (own / "model.json").write_text(content.replace('"b.bin"', '"../b.bin"'), "utf-8")
    refused(own, "names ../b.bin, which lies outside its folder")
    (own / "model.json").write_text(content, "utf-8")
    (own / "b.bin").unlink()
    refused(own, "names b.bin, which is not among these files")
    refused(WEB / "model" / "detector" / "onet", "the classifier's contract has no labels")
    reads(visit, packaged_labels())
    assert visit.fer("error") is None


@pytest.fixture(scope="module")
def host(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A static host with the page, and the model below it."""
    site = tmp_path_factory.mktemp("host")
    (site / "dist").mkdir()
    for name in ("index.html", "style.css", "dist/fer.js", "dist/models.js"):
        shutil.copy(WEB / name, site / name)
    shutil.copytree(exported, site / "models" / "own")

    with hosted(site) as address:
        yield address


def test_a_model_is_taken_by_its_address_on_the_same_host(chromium: Browser, host: str) -> None:
    visit = Visit(chromium.new_context().new_page())
    visit.page.goto(f"{host}/index.html?model=models/own")
    visit.until("fer.ready || fer.error")
    assert visit.fer("error") is None
    reads(visit, LABELS)
    assert f"{host}/models/own/b.bin" in visit.requests
    assert all(request.startswith((host, "data:", "blob:")) for request in visit.requests)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://example.org/model", "is on another host"),
        ("models/none", "model.json of ?model=models/none cannot be loaded (404)"),
        ("index.html", "model.json of ?model=index.html cannot be loaded (404)"),
    ],
)
def test_an_address_without_a_model_is_said(chromium: Browser, host: str, address: str, why: str) -> None:
    visit = Visit(chromium.new_context().new_page())
    visit.page.goto(f"{host}/index.html?model={address}")
    visit.until("fer.error")
    assert visit.fer("ready") is False
    assert why in visit.said("#alert")
    assert not any("example.org" in request for request in visit.requests[1:])


def test_from_disk_a_model_has_no_address(chromium: Browser) -> None:
    visit = Visit(chromium.new_context().new_page())
    visit.page.goto(f"{FROM_DISK}?model=model")
    visit.until("fer.error")
    assert "Drop the model's folder onto the page" in visit.said("#alert")
