"""This script made the files in this folder, once, with the last commit that wrote contract 1 (50a118e).

They show that files of contract 1 are read for good, so nobody makes them anew with later code, which
writes later contracts: `git checkout 50a118e`, the environment `tf` (`fer-export env create tf`), then
`python tests/data/contract1/make.py FOLDER`. The nets are in tiny.py, their weights of a fixed seed.
ferplus.json is the contract of the packaged ferplus.safetensors of that commit, from a still earlier one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
CLI = "from fer_export.cli.main import main; main()"
LICENSE = "Public domain: random weights."


def run(*arguments: object) -> None:
    """Call fer-export in a process of its own."""
    subprocess.run([sys.executable, "-c", CLI, *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def save(name: str, path: Path) -> None:
    """Write a net's state dict, of random weights and batch statistics."""
    sys.path.insert(0, str(HERE))
    import tiny

    torch.manual_seed(13)
    net = getattr(tiny, name)()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    torch.save(net.state_dict(), path)


def checkpoints(source: Path, folder: Path) -> None:
    """Write both kinds: of a training on a few real pictures, and of one on drawn faces, in training's own words."""
    from fer_export import checkpoint
    from fer_export.contract import Metric, Training

    loaded = checkpoint.load_checkpoint(source)
    real = Training(
        data="FER2013 pictures with FER+ votes", protocol="trained on FER+ majority; checked by FER+ majority",
        recipe="tiny", seed=0, epochs=1, note="only 100 pictures, for trying out; ",
    )  # fmt: skip
    drawn = Training(
        data="drawn faces (training/data/drawn.py), for trying out",
        protocol="trained on drawn labels; checked by drawn labels",
        recipe="drawn", seed=0, epochs=1, note="for trying out, knows no real face; ",
    )  # fmt: skip
    metric = Metric(name="accuracy", value=0.5, split="PublicTest", protocol="made up", samples=4)
    for training, name in ((real, "tiny.safetensors"), (drawn, "tiny.pth")):
        contract = loaded.contract.but(training=training, metrics=(metric,))
        checkpoint.save(checkpoint.Checkpoint(contract, loaded.state), folder / name)


def answers(source: Path, path: Path) -> None:
    """Write what onnxruntime answers for a picture of tiny.onnx, and for one row of pair.onnx."""
    import onnxruntime

    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (1, 1, 8, 8)).astype(np.float32)
    face = rng.integers(0, 256, (1, 3, 8, 8)).astype(np.float32)
    points = rng.uniform(-1, 1, (1, 5)).astype(np.float32)
    ids = rng.integers(0, 10, (1, 4)).astype(np.int64)
    feeds = {"tiny": {"pixels": pixels}, "pair": {"face": face, "points": points, "ids": ids}}
    record = {}
    for name, inputs in feeds.items():
        session = onnxruntime.InferenceSession(source / f"{name}.onnx")
        outputs = [output.name for output in session.get_outputs()]
        found = dict(zip(outputs, session.run(outputs, inputs), strict=True))
        record[name] = {
            "inputs": {key: value.tolist() for key, value in inputs.items()},
            "outputs": {key: value.tolist() for key, value in found.items()},
        }
    path.write_text(json.dumps(record), "utf-8")


def main(folder: Path) -> None:
    """Make every file."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    save("Tiny", scratch / "tiny.pth")
    save("Pair", scratch / "pair.pth")
    bare = ("onnx", "--ckpt", scratch / "tiny.pth", "--arch", f"{HERE / 'tiny.py'}:Tiny", "--license", LICENSE,
            "--input", "1x8x8", "--mean", "0.5", "--std", "0.25", "--labels", "anger,happiness,neutral")  # fmt: skip
    run(*bare, "-o", scratch / "bare.onnx", "--save", scratch / "bare.safetensors")
    checkpoints(scratch / "bare.safetensors", folder)
    run("onnx", "--ckpt", folder / "tiny.safetensors", "--arch", f"{HERE / 'tiny.py'}:Tiny", "-o", folder / "tiny.onnx")
    run(*bare, "-o", folder / "fixed.onnx", "--batch", 4)
    run("onnx", "--ckpt", scratch / "pair.pth", "--arch", f"{HERE / 'tiny.py'}:Pair", "--license", LICENSE,
        "--input", "face=3x8x8", "--input", "points=5", "--range", "points=-2:2", "--input", "ids=4:int64",
        "--labels", "no,yes", "-o", folder / "pair.onnx")  # fmt: skip
    run("tfjs", "--from", folder / "tiny.onnx", "-o", folder / "tfjs", "--without", "fold_pads")
    run("tfjs", "--from", folder / "fixed.onnx", "-o", folder / "tfjs_fixed", "--weights", "float16")
    run("tfjs", "--from", folder / "pair.onnx", "-o", folder / "tfjs_pair")
    run("tf", "--from", folder / "tiny.onnx", "-o", folder / "saved_model", "--frozen", folder / "tiny.pb")
    run("tf", "--from", folder / "tiny.onnx", "-o", folder / "saved_model_onnx2tf", "--converter", "onnx2tf")
    run("tf", "--from", folder / "fixed.onnx", "-o", folder / "saved_model_fixed", "--frozen", folder / "fixed.pb")
    run("litert", "--from", folder / "saved_model", "-o", folder / "tiny.tflite")
    run("litert", "--from", folder / "saved_model_fixed", "-o", folder / "fixed.tflite")
    run("tfjs", "--via", "tensorflowjs", "--from", folder / "saved_model", "-o", folder / "tensorflowjs")
    answers(folder, folder / "answers.json")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
