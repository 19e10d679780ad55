"""These tests check that the contract calls the training data synthetic for drawn faces and for nothing else."""

from __future__ import annotations

import pytest
from conftest import make_checkpoint

from fer_export.contract import Training
from fer_export.formats.checkpoint import Checkpoint
from training.data import drawn, sources
from training.provenance import contract_for, only_drawn
from training.recipe import Recipe, read_recipe
from training.weights.model_soup import average

TWO = (
    "stages=[{name: first, epochs: 1, optimizer: {learning_rate: 0.1}},"
    " {name: second, epochs: 1, optimizer: {learning_rate: 0.1}, data: {kind: folder}}]"
)


def trained(*, synthetic: bool) -> Checkpoint:
    plain = make_checkpoint(widths=(8, 16, 24))
    training = Training(data="d", protocol="p", recipe="r", seed=0, epochs=1, synthetic=synthetic)
    return Checkpoint(plain.contract.but(training=training), plain.state)


def asked(kind: str) -> Recipe:
    return read_recipe("drawn", changes=[f"data.kind={kind}"])


def test_drawn_data_is_synthetic_and_pictures_are_not() -> None:
    assert only_drawn(asked("drawn"), 0, [])
    assert not only_drawn(asked("folder"), 0, [])
    assert only_drawn(asked("drawn"), 0, [trained(synthetic=True)])
    assert not only_drawn(asked("drawn"), 0, [trained(synthetic=False)])


def test_a_later_stage_on_pictures_ends_it() -> None:
    two = read_recipe("drawn", changes=[TWO])
    assert only_drawn(two, 0, [])
    assert not only_drawn(two, 1, [])


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_few_pictures_are_for_trying_out_whatever_they_show(synthetic: bool) -> None:
    few = sources.limited(sources.load_split(asked("drawn").data, {}), 16)
    training = contract_for(asked("drawn"), few, synthetic=synthetic).training
    assert training is not None
    assert training.synthetic == synthetic
    assert "only 16 pictures, for trying out" in training.note
    assert ("knows no real face" in training.note) == synthetic


@pytest.mark.parametrize(("others", "synthetic"), [((True, True), True), ((True, False), False)])
def test_a_mean_is_synthetic_when_all_its_nets_are(others: tuple[bool, bool], synthetic: bool) -> None:
    nets = [trained(synthetic=one) for one in others]
    training = average(nets, drawn.draw_faces(train=16, check=8).pixels.float()).contract.training
    assert training is not None
    assert training.synthetic == synthetic
