"""These tests check the Python API: what importing it costs, and that the README's examples run."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SHARED
from contract_files import CONTRACT1
from PIL import Image

import fer_export
from fer_export.contract import Contract
from fer_export.errors import InvalidInputError, UsageError
from fer_export.formats import checkpoint
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import load_tfjs

HEAVY = {"torch", "torchvision", "onnx", "numpy", "PIL", "pydantic", "onnxruntime", "playwright", "rich"}


def imported_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has imported after some code."""
    told = f"import sys\n{code}\nimport json\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."},
        cwd=ROOT,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_is_light() -> None:
    assert not imported_by("import fer_export; fer_export.__version__; fer_export.ParityError") & HEAVY


@pytest.mark.parametrize("command", ["", "verify", "tfjs", "onnx", "matrix", "bench"])
def test_help_does_not_wait_for_torch(command: str) -> None:
    code = (
        "from click.testing import CliRunner\nfrom fer_export.cli.main import main\n"
        f"assert CliRunner().invoke(main, {[*command.split(), '--help']}).exit_code == 0"
    )
    assert "torch" not in imported_by(code)


def test_editors_see_all_that_is_offered() -> None:
    """What is imported for type checkers is what is found at run time, and all of it is in `__all__`."""
    tree = ast.parse((ROOT / "fer_export" / "__init__.py").read_text("utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (name.name, node.module) for node in guarded.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    commands = {"export", "export_detector", "page", "verify", "bench", "bench_convert", "matrix"}
    assert {name for name, _ in seen} == {"load", "detect", "Predictor", *commands}
    for name, module in seen:
        assert getattr(fer_export, name).__module__ == module
        assert name in fer_export.__all__
        assert name in dir(fer_export)
    assert all(hasattr(fer_export, name) for name in fer_export.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'exprot'"):
        fer_export.exprot  # noqa: B018
    assert (ROOT / "fer_export" / "py.typed").is_file()


@pytest.fixture(scope="session")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real photo with faces: of a group where there is one, else scikit-image's astronaut beside her mirror image."""
    photo = SHARED / "photos" / "faceapi_sample1.jpg"
    if photo.exists():
        return photo
    data = pytest.importorskip("skimage.data")
    path = tmp_path_factory.mktemp("photo") / "astronauts.png"
    Image.fromarray(np.concatenate([data.astronaut(), data.astronaut()[:, ::-1]], axis=1)).save(path)
    return path


def test_the_readmes_example_runs(
    small: Checkpoint, small_onnx: Path, group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (example,) = re.findall(
        r"^```python\n(import fer_export\n.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
    )
    checkpoint.save(small, tmp_path / "best.safetensors")
    (tmp_path / "build").mkdir()
    shutil.copy(small_onnx, tmp_path / "build" / "fer.onnx")
    shutil.copy(group, tmp_path / "group.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # our own text
    assert load_tfjs(tmp_path / "web" / "model")[1].weights_dtype == "float16"
    report = names["report"]
    assert {figure.runtime for figure in report.figures} == {"onnxruntime", "tfjs-wasm"}  # type: ignore[attr-defined]
    faces = names["predict"](tmp_path / "group.jpg")  # type: ignore[operator]
    assert faces
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(faces)
    for line, face in zip(said, faces, strict=True):
        assert line == f"{face.box} {face.label} {face.probabilities}"
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert face.label == max(face.probabilities, key=face.probabilities.get)
        assert face.score > 0.7
        assert len(face.landmarks) == 5


# ---- load


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("tiny.safetensors", "torch"), ("tiny.pth", "torch"), ("tiny.onnx", "onnx"), ("tfjs", "tfjs")),
        *(("saved_model", "saved_model"), ("tiny.pb", "frozen"), ("tiny.tflite", "litert")),
    ],
)
def test_any_artefact_is_loaded(name: str, kind: str) -> None:
    model = fer_export.load(str(CONTRACT1 / name))
    assert (model.path, model.kind, model.labels) == (CONTRACT1 / name, kind, ("anger", "happiness", "neutral"))
    assert isinstance(model.contract, Contract)
    assert (model.checkpoint is not None) == (kind == "torch")
    if kind != "torch":
        with pytest.raises(UsageError, match="is no checkpoint"):
            model.module  # noqa: B018


def test_a_packaged_model_is_loaded_by_its_name() -> None:
    model = fer_export.load("fer2013")
    assert len(model.labels) == 7
    assert model.module.training is False


# ---- export


def test_export_goes_by_the_ending_and_refuses_what_is_there(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "best.safetensors")
    path = tmp_path / "new.onnx"
    shutil.copy(CONTRACT1 / "tiny.onnx", path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="of other weights"):
        fer_export.export(tmp_path / "best.safetensors", path)
    assert path.read_bytes() == before
    report = fer_export.export(tmp_path / "best.safetensors", path, batch=2, opset=19, force=True)
    assert (report.path, report.format, report.bytes) == (path, "onnx", path.stat().st_size)
    assert report.contract == load_onnx(path)[1]
    assert report.contract.batch == 2
    assert all(figure.ok and figure.reference == "torch" for figure in report.figures)
    # The file there is of the same weights, so no force is needed.
    fer_export.export(tmp_path / "best.safetensors", path, save=tmp_path / "kept.pth")
    assert checkpoint.load_checkpoint(tmp_path / "kept.pth").contract == small.contract


@pytest.mark.parametrize(
    ("source", "target", "arguments", "says"),
    [
        ("tiny.onnx", "x", {}, "nothing says which format"),
        ("tiny.onnx", "x.onnx", {}, "no way from .* to onnx"),
        ("tiny.tflite", "x", {"format": "tfjs"}, "no way from .* to tfjs"),
        ("saved_model", "x", {"format": "tfjs"}, "takes ONNX files"),
        ("tiny.onnx", "x", {"format": "gguf"}, "no format is named 'gguf'"),
        ("tiny.onnx", "x", {"format": "tfjs", "opset": 18}, "opset has no effect"),
        ("tiny.onnx", "x", {"format": "tfjs", "batch": 1}, "batch has no effect"),
        ("tiny.onnx", "x", {"format": "tfjs", "frozen": "x.pb"}, "frozen has no effect"),
        ("tiny.onnx", "x.tflite", {"weights": "uint8"}, "weights has no effect"),
        ("tiny.onnx", "x.tflite", {"via": "tensorflowjs"}, "via chooses the writer"),
        ("saved_model", "x", {"format": "tfjs", "via": "tensorflowjs", "without": ["fold_pads"]}, "without has no"),
        ("tiny.onnx", "x", {"format": "saved_model", "checkpoint": "ferplus"}, "onnx-tf alone"),
        ("tiny.onnx", "x", {"format": "saved_model", "save": "x.pth"}, "only those are saved"),
        ("tiny.onnx", "x", {"format": "saved_model", "frozen": "x"}, "named twice"),
    ],
)  # fmt: skip
def test_export_obeys_or_refuses(
    source: str, target: str, arguments: dict[str, object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        fer_export.export(CONTRACT1 / source, target, **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_export_never_writes_over_what_it_reads(small: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    checkpoint.save(small, path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="named twice"):
        fer_export.export(path, path, format="onnx", force=True)
    assert path.read_bytes() == before


#: Command → the functions of the front door that it calls. `browser` and `env` install things and touch no model;
#: `verify` calls what `fer_export.verify` calls, to print the figures of those that differ as well.
CALLS = {
    "bench": {"bench"}, "bench_convert": {"bench_convert"}, "detector": {"export_detector"}, "info": {"load"},
    "litert": {"export", "load"}, "matrix": {"matrix"}, "onnx": {"export", "load"}, "page": {"page"},
    "tf": {"export", "load"}, "tfjs": {"export", "load"},
}  # fmt: skip
#: What a command may import beside them: what it parses options with, and what it names defaults and choices by.
BESIDE = {
    "fer_export.cli", "fer_export.errors", "fer_export.contract", "fer_export.formats.packaged",
    "fer_export.formats.places", "fer_export.runtimes.registry", "fer_export.runtimes.tfjs", "fer_export.importing",
    "fer_export.formats.model", "fer_export.convert.exporting", "fer_export.convert.routes", "fer_export.tfgraph",
    "fer_export.diagnose.bench", "fer_export.diagnose.bench.convert", "fer_export.diagnose.matrix.show",
}  # fmt: skip


@pytest.mark.parametrize("command", CALLS)
def test_a_command_is_a_thin_call_into_the_api(command: str) -> None:
    tree = ast.parse((ROOT / "fer_export" / "cli" / f"{command}.py").read_text("utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in hidden]
    called = {name.name for node in imports if node.module == "fer_export" for name in node.names}
    assert called == CALLS[command]
    modules = {str(node.module) for node in imports if str(node.module).startswith("fer_export.")}
    allowed = {name for name in modules if any(name == one or name.startswith(f"{one}.") for one in BESIDE)}
    assert modules == allowed


# ---- detect and Predictor


def test_faces_of_the_frame_before_are_followed(group: Path, small_onnx: Path) -> None:
    first, *others = fer_export.detect(group)
    assert others, "the photo shows several"
    (followed,) = fer_export.detect(group, near=[first.box])
    assert np.abs(np.subtract(followed.box, first.box)).max() < 0.2 * (first.box[2] - first.box[0])
    predict = fer_export.Predictor(small_onnx)
    assert [face.box for face in predict(group, near=[first.box])] == [followed.box]
    assert predict(group, near=[]) == []


def test_a_picture_is_a_path_an_image_or_an_array(group: Path) -> None:
    found = fer_export.detect(group)
    assert found
    with Image.open(group) as image:
        assert fer_export.detect(image) == found
        assert fer_export.detect(np.asarray(image.convert("RGB"))) == found
    assert fer_export.detect(str(group)) == found


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((4, 4, 3)), [[0]], None, "no/such.jpg"])
def test_what_is_no_picture_is_refused(picture: object) -> None:
    with pytest.raises(InvalidInputError):
        fer_export.detect(picture)  # type: ignore[arg-type]


def test_a_damaged_picture_is_refused(tmp_path: Path, group: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(group.read_bytes()[: group.stat().st_size // 2])
    with pytest.raises(InvalidInputError, match="broken is damaged"):
        fer_export.detect(broken)
    # PIL decodes a picture when it is used.
    with Image.open(broken) as image, pytest.raises(InvalidInputError, match="the picture is damaged"):
        fer_export.detect(image)


def test_a_predictor_takes_an_onnx_file(small_onnx: Path, group: Path) -> None:
    predict = fer_export.Predictor(small_onnx)
    faces = predict(group)
    assert [face.box for face in faces] == [face.box for face in fer_export.detect(group)]
    assert all(tuple(face.probabilities) == predict.labels for face in faces)
    assert predict(np.zeros((64, 64, 3), np.uint8)) == []


def test_a_checkpoints_onnx_file_is_kept(
    small: Checkpoint, group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "cache"))
    checkpoint.save(small, tmp_path / "best.pth")
    first = fer_export.Predictor(tmp_path / "best.pth")(group)
    (kept,) = (tmp_path / "cache" / "onnx").iterdir()
    assert load_onnx(kept)[1].weights_sha256 == small.contract.weights_sha256
    # A damaged cached file is made again, and where no folder can be written the model is converted in memory.
    kept.write_bytes(kept.read_bytes()[:1000])
    assert fer_export.Predictor(tmp_path / "best.pth")(group) == first
    load_onnx(kept)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FER_EXPORT_CACHE", str(tmp_path / "file"))
    assert fer_export.Predictor(tmp_path / "best.pth")(group) == first


@pytest.mark.parametrize(
    ("name", "says"),
    [("pair.onnx", r"several inputs \(face, points, ids\)"), ("tfjs", "does not run in onnxruntime")],
)
def test_what_does_not_classify_faces_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        fer_export.Predictor(CONTRACT1 / name)


def test_a_net_without_a_crop_is_refused(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(Checkpoint(small.contract.but(crop=None), small.state), tmp_path / "x.pth")
    with pytest.raises(UsageError, match="says nothing about cropping") as told:
        fer_export.Predictor(tmp_path / "x.pth")
    assert "--crop face" in (told.value.hint or "")
