"""These tests compare two models on the same rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from scipy.stats import binomtest

from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from training.__main__ import main
from training.data import drawn
from training.data.faces import PUBLIC
from training.fit.run import Run, fit
from training.measure.evaluation import Evaluation, evaluate
from training.measure.paired import _two_sided, paired
from training.recipe import read_recipe


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 9), (40, 40), (150, 120), (900, 1300)])
def test_the_exact_test_is_scipys(counts: tuple[int, int]) -> None:
    wanted = binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
    assert _two_sided(*counts) == pytest.approx(wanted)


def test_two_models_are_compared_row_by_row(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("runs")
    changes = ("stages.0.batch=16",)
    nets = [
        fit(read_recipe("drawn", epochs=epochs, changes=changes), Run(folder / str(epochs), limit=96, progress=False))
        for epochs in (1, 3)
    ]
    faces = drawn.draw_faces(24, 96).of(PUBLIC)
    first, second = (evaluate(checkpoint.load_checkpoint(net), faces) for net in nets)
    found = paired(second, first)
    right = [(each.probabilities.argmax(1) == each.classes) for each in (second, first)]
    assert found.samples == len(first.classes)
    assert found.only_this == int((right[0] & ~right[1]).sum())
    assert found.points == pytest.approx(100 * (second.accuracy - first.accuracy), abs=1e-4)
    assert paired(first, first).p == 1
    with pytest.raises(InvalidInputError, match="same rows"):
        paired(first, shifted(second))
    call = ["evaluate", "--ckpt", nets[1], "--kind", "drawn", "--against", nets[0]]
    done = CliRunner().invoke(main, [str(part) for part in call])
    assert done.exit_code == 0, done.output
    assert "(McNemar, exact)" in done.output
    document = json.loads(CliRunner().invoke(main, [*map(str, call), "--json"]).stdout)
    assert document["against"]["checkpoint"] == str(nets[0])
    assert 0 <= document["against"]["p"] <= 1


def shifted(measured: Evaluation) -> Evaluation:
    return replace(measured, classes=torch.roll(measured.classes, 1))


def test_a_test_set_is_not_for_comparing() -> None:
    done = CliRunner().invoke(main, ["evaluate", "--split", "PrivateTest", "--final", "--against", "ferplus"])
    assert done.exit_code == 2
    assert "--against is for choosing" in done.output
