"""`fer_export.export` by way of TensorFlow: as many hops as it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

import fer_export
from fer_export.formats import checkpoint
from fer_export.formats.artefact import read_contract
from fer_export.formats.checkpoint import Checkpoint


@pytest.mark.usefixtures("worker")
def test_a_checkpoint_goes_to_litert_and_to_a_saved_model(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint.save(small, tmp_path / "best.pth")
    said: list[str] = []
    report = fer_export.export(tmp_path / "best.pth", tmp_path / "fer.tflite", started=said.append)
    assert len(said) == 3
    assert report.format == "litert"
    assert [*dict.fromkeys(figure.reference for figure in report.figures)] == ["torch", "onnxruntime", "tensorflow"]
    assert read_contract(tmp_path / "fer.tflite") == report.contract
    frozen = tmp_path / "fer.pb"
    saved = fer_export.export(tmp_path / "best.pth", tmp_path / "saved", format="saved_model", frozen=frozen)
    assert (saved.frozen, read_contract(frozen).weights_sha256) == (frozen, small.contract.weights_sha256)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("best.pth", "fer.pb", "fer.pb.contract.json", "fer.tflite", "saved")
    ]
    # Again, since it is the same model.
    fer_export.export(tmp_path / "best.pth", tmp_path / "saved", format="saved_model")
    assert read_contract(tmp_path / "saved").weights_sha256 == small.contract.weights_sha256
