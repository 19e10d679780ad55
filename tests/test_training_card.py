"""These tests check the model card: its metrics are measured, and it says what the model must not be used for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import make_checkpoint

from fer_export.contract import Metric
from fer_export.formats.checkpoint import Checkpoint
from training.data import drawn
from training.data.faces import PUBLIC, Faces
from training.measure import evaluation
from training.report import card
from training.report.card import Shipped


@pytest.fixture(scope="module")
def every() -> Faces:
    return drawn.draw_faces(train=60, check=40)


@pytest.fixture(scope="module")
def net() -> Checkpoint:
    plain = make_checkpoint(num_classes=len(drawn.LABELS))
    outputs = tuple(one.model_copy(update={"shape": (6,)}) for one in plain.contract.outputs)
    return Checkpoint(plain.contract.but(labels=drawn.LABELS, outputs=outputs), plain.state)


def _seed(net: Checkpoint, accuracy: float) -> Checkpoint:
    metric = Metric(name="accuracy", value=accuracy, split=PUBLIC, protocol="p", samples=40)
    return Checkpoint(net.contract.but(metrics=(metric,)), net.state)


def test_the_card_says_what_is_measured(net: Checkpoint, every: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    # MTCNN finds no drawn face; what it costs has tests of its own.
    from types import SimpleNamespace

    stand_in = SimpleNamespace(
        share=0.9,
        agreement=0.8,
        pictures=SimpleNamespace(accuracy=0.5),
        lost=SimpleNamespace(accuracy=0.4, points=1.25, bound=2.5),
    )
    monkeypatch.setattr("training.measure.deployment.measure_deployment", lambda *_: stand_in)
    training = {"data": "drawn", "protocol": "p", "recipe": "drawn", "seed": 3, "epochs": 1, "note": "epoch 1"}
    labelled = Checkpoint(net.contract.but(training=training), net.state)
    seeds = [_seed(net, value).contract for value in (0.70, 0.72, 0.74)]
    shipped = Shipped.measured("drawn", labelled, every, seeds)
    whole = evaluation.evaluate(labelled, every.of(PUBLIC))
    text = card.render([shipped, replace(shipped, name="second", seeds=())], macs=59_700_000, parameters=710_000,
                       command="python -m training card …")  # fmt: skip
    assert f"{whole.accuracy * 100:.2f} ±" in text
    assert "72.00 ± 2.00 % (3 seeds)" in text
    assert "one seed" in text
    assert "59.7 M multiply-accumulates" in text
    assert "1.25 ± 2.50" in text
    assert "AI Act" in text
    for label in whole.labels:
        assert f"| {label.label} |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    noise = next(row for row in shipped.robustness.rows if row.condition.group == "noise")
    assert f"{noise.lost.points:.1f} ± {noise.lost.bound:.1f}" in text
    assert "{{" not in text
