"""These tests check what the page says about models that are wrong; it is built anew for each, and opened from disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from pages import FROM_DISK, WEB, Visit, chromium_with
from PIL import Image
from playwright.sync_api import Browser

from fer_export.contract import KEY, Contract, Training
from fer_export.formats.page_models import pack_models

PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"
FOLDERS = {"classifier": ".", "pnet": "detector/pnet", "rnet": "detector/rnet", "onet": "detector/onet"}
REAL = Training(data="pictures", protocol="by votes", recipe="fernet", seed=0, epochs=1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with chromium_with() as running:
        yield running


class Copy:
    """A copy of the page and of its models, to be changed and built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "model"
        shutil.copytree(WEB / "model", self.models)
        (folder / "dist").mkdir()
        for name in ("index.html", "style.css", "dist/fer.js"):
            shutil.copy(WEB / name, folder / name)

    def change_weights(self, model: str) -> None:
        """Change one in a hundred of a model's weights by half."""
        [shard] = (self.models / FOLDERS[model]).glob("*.bin")
        weights = np.fromfile(shard, np.float32)
        weights[::100] *= 1.5
        weights.tofile(shard)

    def change_contract(self, model: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Write another contract into a model.json."""
        path = self.models / FOLDERS[model] / "model.json"
        content = json.loads(path.read_text())
        content["userDefinedMetadata"][KEY] = change(content["userDefinedMetadata"][KEY])
        path.write_text(json.dumps(content))

    def fix_batch(self, model: str, batch: int) -> None:
        """Let a model's graph take exactly so many pictures, as TF.js checks it, and its contract say so."""
        path = self.models / FOLDERS[model] / "model.json"
        content = json.loads(path.read_text())
        [placeholder] = [node for node in content["modelTopology"]["node"] if node["op"] == "Placeholder"]
        placeholder["attr"]["shape"]["shape"]["dim"][0]["size"] = str(batch)
        path.write_text(json.dumps(content))
        self.change_contract(
            model, lambda contract: Contract.from_object(contract, where="the copy").but(batch=batch).to_object()
        )

    def train_on(self, training: Training | None) -> None:
        """Let the classifier's contract say what it was trained on."""
        self.change_contract(
            "classifier",
            lambda contract: Contract.from_object(contract, where="the copy").but(training=training).to_object(),
        )

    def build(self) -> None:
        """Put the models into the page as they are; `fer-export page` would refuse some of them."""
        script = pack_models({name: self.models / folder for name, folder in FOLDERS.items()})
        (self.folder / "dist" / "models.js").write_text(script, "utf-8")

    def visit(self, browser: Browser) -> Visit:
        """Build the page, open it and wait until its models are loaded or refused."""
        self.build()
        visit = Visit(browser.new_context().new_page())
        visit.page.goto((self.folder / "index.html").as_uri())
        visit.until("fer.ready || fer.error")
        return visit


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.parametrize("changed", FOLDERS)
def test_a_model_whose_weights_were_changed_raises_the_alarm(browser: Browser, copy: Copy, changed: str) -> None:
    copy.change_weights(changed)
    visit = copy.visit(browser)
    assert visit.fer("parity.ok") is False
    assert {model["model"]: model["ok"] for model in visit.fer("parity.models")} == {
        model: model != changed for model in FOLDERS
    }
    assert visit.said("#parity").startswith("differs (")
    alarm = f"What this browser computes differs from the model that was measured ({changed}): do not trust it."
    assert visit.said("#alarm") == alarm
    visit.page.click("#about summary")
    about = visit.said("#provenance")
    for model in FOLDERS:
        verdict = "differs from" if model == changed else "matches"
        assert f"Replayed here, {model}\n{verdict} PyTorch over 3 golden pictures" in about
    # It stays, whatever is looked at.
    visit.page.click("#sample")
    visit.until("fer.frames === 1")
    assert visit.said("#alarm") == alarm


def test_the_packaged_models_raise_no_alarm(browser: Browser) -> None:
    visit = Visit(browser.new_context().new_page())
    visit.page.goto(FROM_DISK)
    visit.until("fer.ready")
    assert {model["model"]: model["ok"] for model in visit.fer("parity.models")} == dict.fromkeys(FOLDERS, True)
    assert not visit.page.is_visible("#alarm")
    assert not visit.page.is_visible("#note")
    assert visit.said("#parity").startswith("matches (")
    outputs = {
        model["model"]: [output["output"] for output in model["outputs"]] for model in visit.fer("parity.models")
    }
    assert outputs == {
        "classifier": ["probabilities", "logits"],
        "pnet": ["probabilities", "boxes"],
        "rnet": ["probabilities", "boxes"],
        "onet": ["probabilities", "boxes", "landmarks"],
    }


@pytest.mark.parametrize(
    ("training", "warned"),
    [
        (REAL.but(synthetic=True), True),
        (REAL.but(data="drawn faces, for trying out", note="for trying out, knows no real face"), False),
        (None, False),
    ],
    ids=["synthetic", "real, in words that could be taken for it", "not said"],
)
def test_the_note_on_synthetic_data(browser: Browser, copy: Copy, training: Training | None, warned: bool) -> None:
    copy.train_on(training)
    visit = copy.visit(browser)
    assert visit.fer("parity.ok") is True
    assert visit.page.is_visible("#note") is warned
    if warned:
        assert "knows no real one" in visit.said("#note")


def test_a_contract_that_was_edited_is_refused(browser: Browser, copy: Copy) -> None:
    copy.change_contract("classifier", lambda contract: {**contract, "labels": contract["labels"][::-1]})
    visit = copy.visit(browser)
    assert visit.fer("ready") is False
    assert visit.said("#summary") == "The models could not be loaded"
    assert visit.said("#alert") == ("the classifier's contract was edited after it was written: export the model again")
    assert not visit.page.is_enabled("#start")


def test_a_model_with_a_fixed_batch_reads_any_number_of_faces(browser: Browser, copy: Copy) -> None:
    """Three faces by two: TF.js refuses any other number of pictures than the graph's own."""
    copy.fix_batch("classifier", 2)
    photo = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    Image.fromarray(np.concatenate([photo] * 3, axis=1)).save(copy.folder / "three.png")
    visit = copy.visit(browser)
    assert visit.fer("parity.ok") is True
    visit.page.set_input_files("#file", copy.folder / "three.png")
    visit.until("fer.frames === 1 || fer.error")
    assert visit.fer("error") is None
    assert [face["label"] for face in visit.fer("faces")] == ["happiness"] * 3
