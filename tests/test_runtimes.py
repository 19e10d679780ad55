"""These tests check every runtime in the browser at any batch size, and that a missing one is reported as such."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx as onnx_library
import pytest
import torch
from conftest import make_checkpoint
from onnx import TensorProto, helper

from fer_export import parity
from fer_export.contract import Contract
from fer_export.convert import detector, onnx, tfjs
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint
from fer_export.formats.onnx import load_onnx
from fer_export.formats.tfjs import write_tfjs
from fer_export.models import mtcnn
from fer_export.parity import comparing, samples
from fer_export.parity.samples import Batch
from fer_export.runtimes import Inputs, Outputs, channels_first, chromium, onnxruntime_web, rows
from fer_export.runtimes.fixed_batch import InBatches
from fer_export.runtimes.onnxruntime import OnnxRuntime
from fer_export.runtimes.registry import names
from fer_export.runtimes.tfjs import Browser
from fer_export.runtimes.torch import TorchRuntime

TOLERANCE = 1e-4


def few(contract: Contract) -> list[Batch]:
    """Three pictures of each size, and one alone."""
    batches = samples.samples_for(contract)
    return [Batch(batch.names[:3], rows(batch.inputs, slice(3))) for batch in batches]


@pytest.fixture(scope="module")
def small_model(small_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model for TF.js; what holds is shown by the tests."""
    folder = tmp_path_factory.mktemp("model")
    model, contract = load_onnx(small_onnx)
    write_tfjs(tfjs.convert(model), contract, folder, "float32")
    return folder


# P-Net has a free size, and outputs with height and width.
@pytest.mark.parametrize("name", ["small", "face_emotion_cnn", "pnet"])
def test_onnxruntime_web_computes_what_torch_does(
    small: Checkpoint, browser: Browser, tmp_path: Path, name: str
) -> None:
    if name == "pnet":
        module, contract = mtcnn.stage(name), detector.contract_for(name)
    else:
        loaded = small if name == "small" else make_checkpoint(name)
        module, contract = loaded.module(), loaded.contract
    onnx.export(module, contract, tmp_path / "x.onnx")
    with onnxruntime_web.model(browser, tmp_path / "x.onnx") as runtime:
        figures = parity.measure_parity(TorchRuntime(module, contract), runtime, few(contract), contract)
    assert {figure.runtime for figure in figures} == {"onnxruntime-web"}
    assert max(figure.max_abs for figure in figures) <= TOLERANCE
    parity.gate(figures)


def test_titles_tell_paths_apart() -> None:
    one, two, three = Path("/a/one/model"), Path("/a/two/model"), Path("/a/fer.onnx")
    assert list(comparing.titles([one, two, three]).values()) == ["one/model", "two/model", "fer.onnx"]
    assert comparing.titles([one, three, one]) == {one: "model", three: "fer.onnx"}
    # Here the first path is the end of the second.
    assert comparing.titles([Path("/a/model"), Path("/b/a/model")])[Path("/b/a/model")] == "b/a/model"


def test_onnxruntime_web_takes_several_inputs_by_name(browser: Browser, tmp_path: Path) -> None:
    shapes = {"left": ("n", 1, 4, 6), "right": ("n", 3, 4, 6)}
    graph = helper.make_graph(
        [helper.make_node("Sub", ["right", "left"], ["apart"])],
        "two",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("apart", TensorProto.FLOAT, ("n", 3, 4, 6))],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx_library.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "two.onnx")
    rng = np.random.default_rng(1)
    # The inputs are given in another order than the graph's.
    inputs = {
        "right": rng.integers(0, 256, (5, 4, 6, 3), np.uint8),
        "left": rng.integers(0, 256, (5, 4, 6, 1), np.uint8),
    }
    with onnxruntime_web.model(browser, tmp_path / "two.onnx") as runtime:
        answer = runtime(inputs)["apart"]
    np.testing.assert_array_equal(answer, OnnxRuntime(tmp_path / "two.onnx")(inputs)["apart"])
    np.testing.assert_array_equal(answer, inputs["right"].astype(np.float32) - inputs["left"])


def test_onnxruntime_web_asks_for_one_wasm_file_and_starts_no_threads(browser: Browser, small_onnx: Path) -> None:
    with onnxruntime_web.model(browser, small_onnx):
        page = browser.page(onnxruntime_web.NAME, "harness-onnx.js")
        asked = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert {name.rpartition("/")[2] for name in asked if "/assets/" in name} == {
            "harness-onnx.js",
            "ort-wasm-simd-threaded.wasm",
        }
        assert page.workers == []


def test_a_damaged_file_is_named(browser: Browser, small_onnx: Path, tmp_path: Path) -> None:
    broken = tmp_path / "with a space.onnx"
    broken.write_bytes(small_onnx.read_bytes()[:2000])
    with (
        pytest.raises(InvalidInputError, match=r"onnxruntime-web cannot open .*with a space\.onnx"),
        onnxruntime_web.model(browser, broken),
    ):
        pass
    broken.write_bytes(small_onnx.read_bytes())
    with onnxruntime_web.model(browser, broken) as runtime:
        assert runtime({"pixels": np.zeros((1, 48, 48, 1), np.uint8)})["logits"].shape == (1, 8)


def test_webgpu_computes_what_torch_does(small: Checkpoint, small_model: Path, browser: Browser) -> None:
    reference = TorchRuntime(small.module(), small.contract)
    with browser.open(small_model, "webgpu") as runtime:
        assert runtime.page.evaluate("navigator.gpu.requestAdapter().then(adapter => adapter !== null)") is True
        figures = parity.measure_parity(reference, runtime, few(small.contract), small.contract)
    assert {figure.runtime for figure in figures} == {"tfjs-webgpu"}
    assert max(figure.max_abs for figure in figures) <= TOLERANCE
    parity.gate(figures)


def test_browsers_are_open_at_once(small: Checkpoint, small_model: Path, browser: Browser) -> None:
    inputs = few(small.contract)[0].inputs
    with browser.open(small_model, "wasm") as first:
        with Browser() as other, other.open(small_model, "wasm") as second:
            np.testing.assert_array_equal(first(inputs)["logits"], second(inputs)["logits"])
        # The other browser is closed, and this one still answers.
        assert first(inputs)["logits"].shape == (3, 8)


def test_backends_are_open_at_once(small: Checkpoint, small_model: Path, browser: Browser) -> None:
    inputs = few(small.contract)[0].inputs
    with browser.open(small_model, "wasm") as wasm, browser.open(small_model, "cpu") as plain:
        first, other, again = wasm(inputs)["logits"], plain(inputs)["logits"], wasm(inputs)["logits"]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, other, atol=TOLERANCE)
    # The two backends add in another order, so equal numbers would mean that only one of them ran.
    assert (first != other).any()


# The commands in processes of their own, as people run them.
def fer_export(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("fer-export")), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False, timeout=300
    )


def runtimes(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was measured, in order, where all of it holds."""
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["parity"]
    assert max(record["max_abs"] for record in records) <= TOLERANCE
    return list(dict.fromkeys(record["runtime"] for record in records))


def test_verify_runs_all_of_them(small: Checkpoint, small_onnx: Path, small_model: Path, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "x.pth")
    done = fer_export("verify", "--ckpt", tmp_path / "x.pth", "--onnx", small_onnx, "--tfjs", small_model,
                      "--runtime", "all", "--json")  # fmt: skip
    assert runtimes(done) == [*names("onnx"), *names("tfjs")]


@pytest.fixture
def without_gpu(tmp_path: Path) -> Path:
    """A Chromium that has no WebGPU."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nexec "{chromium.find()}" "$@" --disable-gpu --disable-software-rasterizer\n')
    browser.chmod(0o755)
    return browser


def test_what_cannot_be_had_is_named(
    small: Checkpoint, small_onnx: Path, small_model: Path, tmp_path: Path, without_gpu: Path
) -> None:
    checkpoint.save(small, tmp_path / "x.pth")
    done = fer_export("verify", "--ckpt", tmp_path / "x.pth", "--onnx", small_onnx, "--tfjs", small_model,
                      "--runtime", "tfjs-webgpu", FER_EXPORT_CHROMIUM=str(without_gpu))  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.startswith("error: tfjs-webgpu cannot be had here")
    assert not done.stdout


@pytest.mark.parametrize("form", ["hops", "paths"])
def test_the_others_have_their_turn_and_the_gate_stays_shut(
    form: str, small: Checkpoint, small_onnx: Path, small_model: Path, tmp_path: Path, without_gpu: Path
) -> None:
    checkpoint.save(small, tmp_path / "x.pth")
    model = ("--onnx", small_onnx, "--tfjs", small_model) if form == "hops" else (small_model,)
    asked = ("--runtime", "tfjs-webgpu", "--runtime", "tfjs-wasm", "--json")
    done = fer_export("verify", "--ckpt", tmp_path / "x.pth", *model, *asked, FER_EXPORT_CHROMIUM=str(without_gpu))
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert {record["runtime"].split()[0] for record in told["parity"]} == {"tfjs-wasm"}
    assert all(record["ok"] for record in told["parity"])
    ((name, reason),) = told["refused"].items()
    assert name.startswith("tfjs-webgpu") and "cannot be had here" in reason
    assert told["ok"] is False and told["error"] == reason


def test_any_runtime_is_held_against_any_other(small_onnx: Path, small_model: Path) -> None:
    against = ("--against", small_model, "--against-runtime", "tfjs-cpu", "--json")
    chosen = ("--runtime", "tfjs-wasm", "--runtime", "onnxruntime-web")
    done = fer_export("verify", small_onnx, small_model, *against, *chosen)
    name = small_onnx.name
    assert runtimes(done) == [
        f"onnxruntime-web {name}",
        f"tfjs-wasm {small_model.name}",
    ]
    references = {record["reference"] for record in json.loads(done.stdout)["parity"]}
    assert references == {f"tfjs-cpu {small_model.name}"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{onnx}", "--against", "{onnx}", "--against-runtime", "tfjs-cpu"), "does not run in tfjs-cpu"),
        (("{model}", "--against", "{model}", "--against-runtime", "onnxruntime"), "does not run in onnxruntime"),
        (("{onnx}", "--against-runtime", "onnxruntime-web"), "--against-runtime is what runs the file of --against"),
        (("{model}", "--against", "{onnx}", "--runtime", "onnxruntime-web"), "does not run in onnxruntime-web"),
        (("{onnx}", "--runtime", "tfjs-cpu"), "does not run in tfjs-cpu"),
        (("{onnx}", "{model}", "--runtime", "tfjs-cpu"), "no runtime was asked for that runs"),
        (("--onnx", "{onnx}", "--tfjs", "{model}", "--runtime", "tensorflow"), "runs in tensorflow"),
    ],
)
def test_what_does_not_run_there_is_a_usage_error(
    cli: object, small_onnx: Path, small_model: Path, arguments: tuple[str, ...], says: str
) -> None:
    code, _, err = cli("verify", *(text.format(onnx=small_onnx, model=small_model) for text in arguments))  # type: ignore[operator]
    assert code == 2
    assert says in err


def test_models_of_a_fixed_batch_are_verified(tmp_path: Path) -> None:
    # This net's flatten has the batch size in it, so its graph takes no other.
    loaded = make_checkpoint("face_emotion_cnn")
    four, one, model = tmp_path / "four.onnx", tmp_path / "one.onnx", tmp_path / "model"
    onnx.export(loaded.module(), loaded.contract, four, batch=4)
    onnx.export(loaded.module(), loaded.contract, one, batch=1)
    model.mkdir()
    graph, contract = load_onnx(four)
    write_tfjs(tfjs.convert(graph), contract, model, "float32")
    assert [read_contract(path).batch for path in (four, one, model)] == [4, 1, 4]
    figures = comparing.compare(
        comparing.module_reference(loaded, four, loaded.module()),
        [comparing.Turn(four, "onnxruntime")],
        samples.samples_for(contract),
    )
    assert {figure.samples for figure in figures} == {13}
    parity.gate(figures)
    chosen = ("--runtime", "onnxruntime-web", "--runtime", "tfjs-wasm", "--json")
    done = fer_export("verify", one, model, "--against", four, *chosen)
    assert runtimes(done) == ["onnxruntime-web one.onnx", "tfjs-wasm model"]


def test_a_gray_picture_is_handed_to_torch_as_torch_lays_it_out(small: Checkpoint) -> None:
    class Viewed(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen = torch.nn.functional.conv2d(pixels, torch.ones(4, 1, 3, 3))
            return seen.view(len(seen), -1), seen

    batch = few(small.contract)[0]
    answers = TorchRuntime(Viewed(), small.contract)(batch.inputs)
    assert answers["probabilities"].shape == (3, 4 * 46 * 46)
    assert channels_first(batch.single).strides == np.empty((3, 1, 48, 48), np.float32).strides


def test_pictures_keep_their_places_in_batches() -> None:
    class Three:
        name = "three"
        seen: list[int]

        def __call__(self, inputs: Inputs) -> Outputs:
            assert {len(part) for part in inputs.values()} == {3}
            return {"mean": inputs["pixels"].mean((1, 2), np.float32), "ids": np.float32(inputs["ids"])}

    for count in (1, 2, 3, 7):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 4, 4, 1), np.uint8)
        answers = InBatches(Three(), 3)({"pixels": pixels, "ids": np.arange(count)})
        np.testing.assert_array_equal(answers["mean"], pixels.mean((1, 2), np.float32))
        np.testing.assert_array_equal(answers["ids"], np.arange(count))
