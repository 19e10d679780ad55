"""These tests check `fer-export page`: the page with a model in it, from packaged code alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from pages import WEB, Visit
from playwright.sync_api import Browser

import fer_export
from fer_export.contract import KEY
from fer_export.convert.page import FILES, PACKAGED
from fer_export.errors import ContractError, InvalidInputError, MissingDependencyError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint

Run = Callable[..., tuple[int, str, str]]
PORTRAIT = ROOT / "fer_export" / "portrait" / "portrait.png"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the model that the page is built with, to be changed."""
    return Path(shutil.copytree(WEB / "model", tmp_path / "model"))


def opened(chromium: Browser, folder: Path) -> Visit:
    visit = Visit(chromium.new_context().new_page())
    visit.page.goto((folder / "index.html").as_uri())
    visit.until("fer.ready || fer.error")
    return visit


def everything(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_checkpoint_becomes_a_page(chromium: Browser, small: Checkpoint, tmp_path: Path) -> None:
    """With nothing beside it: the model and the detector are converted on the way, and the page reads a face."""
    labels = ("calm", *small.contract.labels[1:])
    other = Checkpoint(small.contract.but(labels=labels), small.state)
    checkpoint.save(other, tmp_path / "mine.safetensors")
    said: list[str] = []
    made = fer_export.page(
        tmp_path / "site", model=tmp_path / "mine.safetensors", weights="float16", started=said.append
    )
    assert made.index == tmp_path / "site" / "index.html"
    assert made.figures
    assert all(figure.ok for figure in made.figures)
    assert made.contract.weights_dtype == "float16"
    assert made.bytes == sum(len(content) for content in everything(tmp_path / "site").values())
    assert {*everything(tmp_path / "site")} == {str(name) for name in FILES}
    assert "exporting onet" in said
    visit = opened(chromium, tmp_path / "site")
    assert visit.fer("error") is None
    assert visit.fer("parity.ok") is True
    visit.page.set_input_files("#file", PORTRAIT)
    visit.until("fer.frames === 1 || fer.error")
    (face,) = visit.fer("faces")
    assert face["label"] in labels
    assert visit.page.locator("#faces").inner_text().count("calm") == 1
    assert visit.complaints == []
    assert all(request.startswith(("file:", "data:", "blob:")) for request in visit.requests)


def test_a_page_takes_another_model_and_strangers_files_stay(model: Path, tmp_path: Path, cli: Run) -> None:
    site = tmp_path / "site"
    code, out, _ = cli("page", "-o", site, "--model", model, "--json")
    assert code == 0
    assert json.loads(out)["index"] == str(site / "index.html")
    (site / "CNAME").write_text("example.org")
    (site / "dist" / "own.js").write_text("mine")
    before = everything(site)
    (site / "dist" / "models.js").write_text("old")
    (site / "style.css").write_text("old")
    assert cli("page", "-o", site, "--model", model)[0] == 0
    assert everything(site) == before
    (site / "style.css").write_text("mine now")
    (site / "dist" / "models.js").write_text("old")
    assert cli("page", "-o", site, "--model", model, "--only-models")[0] == 0
    assert everything(site) == {**before, "style.css": b"mine now"}


def test_somebody_elses_page_is_left_alone(model: Path, tmp_path: Path, cli: Run) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>mine</h1>")
    code, _, err = cli("page", "-o", site, "--model", model)
    assert code == 2
    assert "which fer-export did not write" in err
    assert "--force" in err
    assert everything(site) == {"index.html": b"<h1>mine</h1>"}
    assert cli("page", "-o", site, "--model", model, "--force")[0] == 0
    assert b'name="generator"' in everything(site)["index.html"]


def test_a_contract_that_was_edited_makes_no_page(model: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    fer_export.page(site, model=model)
    before = everything(site)
    path = model / "detector" / "rnet" / "model.json"
    document = json.loads(path.read_text("utf-8"))
    document["userDefinedMetadata"][KEY]["license"] = "mine"
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ContractError, match="edited"):
        fer_export.page(site, model=model)
    shutil.copytree(model / "detector" / "onet", model / "detector" / "rnet", dirs_exist_ok=True)
    with pytest.raises(UsageError, match="is not rnet of the detector"):
        fer_export.page(site, model=model)
    assert everything(site) == before


def test_what_no_page_can_be_made_of_is_refused(model: Path, tmp_path: Path, cli: Run) -> None:
    def refused(*arguments: object) -> str:
        code, out, err = cli("page", "-o", tmp_path / "site", *arguments)
        assert code in (2, 4), (out, err)
        assert not (tmp_path / "site").exists()
        return err

    assert "says nothing about cropping faces" in refused("--model", model / "detector" / "onet")
    assert "no file" in refused("--model", tmp_path / "nothing.onnx")
    assert "weights has no effect" in refused("--model", model, "--weights", "float16")
    assert "backends has no effect" in refused("--model", model, "--backend", "cpu")
    assert "there is no page in" in refused("--model", model, "--only-models")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="is a file"):
        fer_export.page(tmp_path / "file", model=model)


def test_code_that_is_not_built_is_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_export.convert.page.PACKAGED", tmp_path / "nowhere")
    with pytest.raises(MissingDependencyError, match="not built") as error:
        fer_export.page(tmp_path / "site", model=model)
    assert error.value.exit_code == 3


def test_what_is_packaged_is_what_was_built() -> None:
    for name in (str(name) for name in FILES if str(name) != "dist/models.js"):
        assert (PACKAGED / name).read_bytes() == (WEB / name).read_bytes()
