"""These tests check recipes: settings, losses, which layers are trained at which rate, and the order of rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint
from training import recipe
from training.fit import losses, optimization
from training.fit.dataloader import InMemory, Rows, loader
from training.fit.run import Run, fit
from training.fit.weight_average import move, rising_decay
from training.recipe import Loss, Optimizer, Schedule, Stage

SGD = Optimizer(name="sgd", learning_rate=0.1, weight_decay=0.01)


class Net(nn.Module):
    """Three named layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 3)


# Recipes


@pytest.mark.parametrize("name", recipe.names())
def test_every_packaged_recipe_holds_and_says_what_it_is(name: str) -> None:
    read = recipe.read_recipe(name if name != recipe.TORCHVISION else "torchvision:mobilenet_v3_small")
    assert read.about
    assert recipe.Recipe.model_validate(recipe.yaml.safe_load(recipe.as_yaml(read))) == read


def test_the_published_recipes_are_there_with_their_figures() -> None:
    published = {name: recipe.read_recipe(name).published for name in recipe.names() if name != recipe.TORCHVISION}
    assert {name: figure.split(" ")[0] for name, figure in published.items() if figure} == {
        "face_emotion_cnn": "78.0",
        "resnet18_gray": "66.9",
        "resnet9": "65.1",
        "resnet9_constant": "65.1",
        "emotion_cnn": "65.9",
        "simple_cnn": "52",
        "resnet50": "65.5",
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.0.epochs=0", "epochs"),
        ("stages.0.colour=1", "colour"),
        ("stages.0.optimizer.learning_rate=fast", "learning_rate"),
        ("data.kind=imagenet", "kind"),
        ("stages.0.loss.name=embedding", "last stage"),
        ("stages.7.epochs=1", "no setting"),
        ("size.0=1", "size"),
        ("architecture.0=1", "no setting"),
        ("epochs", "not SETTING=VALUE"),
        ("stages.0.augmentation.flip=2", "flip"),
        ("search.seed={low: 1}", "low and high"),
        ("data.split=shuffled", "majority or argmax"),
    ],
)
def test_a_setting_that_does_not_hold_is_named(change: str, says: str) -> None:
    name = "fernet" if change.startswith("data.split") else "drawn"
    with pytest.raises(InvalidInputError, match=says) as caught:
        recipe.read_recipe(name, changes=[change])
    assert "\n" not in caught.value.reason


def test_settings_are_changed_by_path() -> None:
    changed = recipe.read_recipe(
        "fernet", changes=["stages.1.optimizer.learning_rate=0.5", "arguments.dropout=0.1"], seed=3
    )
    assert changed.stages[1].optimizer.learning_rate == 0.5
    assert changed.stages[0].optimizer.learning_rate == 0.1
    assert changed.arguments == {"dropout": 0.1}
    assert changed.seed == 3
    assert {stage.epochs for stage in recipe.read_recipe("fernet", epochs=2).stages} == {2}


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="no recipe nothing") as caught:
        recipe.read_recipe("nothing")
    assert "fernet" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["stages: [", "- 1", "!!python/object:os.system {}", "\xff\xfe"])
def test_a_file_that_is_no_recipe_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInputError, match=r"mine\.yaml") as caught:
        recipe.read_recipe(str(path))
    assert "\n" not in caught.value.reason


# Losses


def test_losses_against_torchs() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(16, 5), torch.randint(0, 5, (16,))
    targets = functional.one_hot(labels, 5).float()
    smoothed = losses.function(Loss(name="cross_entropy", smoothing=0.1))(logits, targets)
    wanted = functional.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(smoothed, wanted)
    torch.testing.assert_close(
        losses.function(Loss(name="nll"))(logits.log_softmax(1), targets),
        functional.nll_loss(logits.log_softmax(1), labels, reduction="none"),
    )
    votes = torch.rand(16, 5).softmax(1)
    torch.testing.assert_close(
        losses.function(Loss(name="soft_votes"))(logits, votes),
        functional.kl_div(logits.log_softmax(1), votes, reduction="none").sum(1),
    )


def test_focal_loss_is_cross_entropy_at_gamma_zero_and_forgives_the_easy() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(8, 4), torch.eye(4).repeat(2, 1)
    plain = losses.cross_entropy(logits, targets)
    torch.testing.assert_close(losses.focal(logits, targets, 0.0), plain)
    probability = (logits.softmax(1) * targets).sum(1)
    torch.testing.assert_close(losses.focal(logits, targets, 2.0), (1 - probability) ** 2 * plain)


def test_class_weights_weigh_rows_by_their_class() -> None:
    logits, targets = torch.zeros(2, 2), torch.eye(2)
    weighed = losses.function(Loss(), torch.tensor([1.0, 3.0]))(logits, targets)
    torch.testing.assert_close(weighed[1], 3 * weighed[0])


# Which layers, how fast


def test_frozen_layers_get_no_gradient_and_keep_their_statistics() -> None:
    net = Net().train()
    optimization.freeze(net, Stage(epochs=1, optimizer=SGD, train=("fc",)))
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}
    optimization.rest(net)
    assert not net.norm.training
    assert net.fc.training


def test_statistics_of_frozen_layers_rest_or_follow(tmp_path: Path) -> None:
    for statistics, moved in (("rest", False), ("follow", True)):
        stage = "{epochs: 1, batch: 16, train: [head], optimizer: {name: sgd, learning_rate: 0.01}, statistics: "
        read = recipe.read_recipe("drawn", changes=[f"stages=[{stage}{statistics}}}]"])
        best = fit(read, Run(tmp_path / statistics, limit=32, progress=False))
        mean = checkpoint.load_checkpoint(best).state["stem.0.1.running_mean"]
        assert bool(mean.any()) == moved


def test_rates_by_layer_and_decay_on_matrices_only() -> None:
    net = Net()
    stage = Stage(epochs=1, optimizer=SGD, rates={"conv1": 0.1}, freeze=("norm",))
    optimization.freeze(net, stage)
    groups = optimization.optimizer(net, stage).param_groups
    by_shape = {tuple(p.shape): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert by_shape[(2, 1, 3, 3)] == (pytest.approx(0.01), 0.01)
    assert by_shape[(2,)] == (pytest.approx(0.01), 0.0)
    assert by_shape[(3, 2)] == (pytest.approx(0.1), 0.01)
    assert by_shape[(3,)] == (pytest.approx(0.1), 0.0)


@pytest.mark.parametrize("setting", [{"train": ("fully",)}, {"rates": {"fcx": 1.0}}, {"freeze": ("f",)}])
def test_a_prefix_that_no_parameter_has_is_an_error(setting: dict[str, object]) -> None:
    stage = Stage.model_validate({"epochs": 1, "optimizer": SGD, **setting})
    with pytest.raises(InvalidInputError, match="begins with") as caught:
        optimization.freeze(Net(), stage)
    assert "conv1, fc, norm" in str(caught.value.hint)


def test_freezing_everything_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="every parameter"):
        optimization.freeze(Net(), Stage(epochs=1, optimizer=SGD, freeze=("conv1", "norm", "fc")))


def rates(settings: Schedule, *, steps: int, epochs: int) -> list[float]:
    """The rate at each move of the schedule."""
    net = Net()
    stage = Stage(epochs=epochs, optimizer=SGD)
    optimizer = optimization.optimizer(net, stage)
    record = optimization.schedule(optimizer, settings, steps, epochs)
    assert record is not None
    found = []
    for _ in range(steps if record["interval"] == "step" else epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        record["scheduler"].step(*([1.0] if settings.name == "plateau" else []))
    return found


def test_schedules() -> None:
    steps = rates(Schedule(name="step", at=(2, 3), factor=0.1), steps=40, epochs=4)
    assert steps == pytest.approx([0.1, 0.1, 0.01, 0.001])
    plateau = rates(Schedule(name="plateau", factor=0.5, patience=1), steps=40, epochs=5)
    assert plateau == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05])
    cosine = rates(Schedule(name="cosine", warmup=1), steps=40, epochs=4)
    assert cosine[0] < cosine[5] < cosine[10] == pytest.approx(0.1)
    assert cosine[10] > cosine[25] > cosine[39]
    assert cosine[39] < 0.001
    cycle = rates(Schedule(name="one_cycle", rise=0.25), steps=40, epochs=4)
    assert max(cycle) == pytest.approx(0.1, rel=0.01)
    assert 8 <= cycle.index(max(cycle)) <= 10
    assert cycle[-1] < 0.001
    assert optimization.schedule(torch.optim.SGD(Net().parameters()), Schedule(), 40, 4) is None


def test_the_average_forgets_its_first_weights() -> None:
    value, count = torch.zeros(1), torch.tensor(0)
    for step in range(1, 200):
        move([value, count], [torch.ones(1), torch.tensor(step)], 1 - rising_decay(0.999, step))
    assert value.item() > 0.99
    assert count.item() == 199
    assert rising_decay(0.999, 10**6) == 0.999


# The order of rows


@pytest.mark.parametrize("seed", [0, 5])
def test_processes_share_every_batch_without_overlap(seed: int) -> None:
    alone = Rows(103, 20, seed=seed)
    shares = [Rows(103, 20, seed=seed, rank=rank, world=2) for rank in (0, 1)]
    for epoch in (0, 1):
        for rows in (alone, *shares):
            rows.set_epoch(epoch)
        for whole, first, second in zip(alone, *shares, strict=True):
            assert len(first) == len(second) == 10
            assert not set(first) & set(second)
            assert set(first) | set(second) == set(whole)
    assert len({row for batch in alone for row in batch}) == 100


def test_epochs_and_seeds_differ_and_repeat() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        rows = Rows(64, 16, seed=seed)
        rows.set_epoch(epoch)
        return list(rows)

    assert order(0, 0) == order(0, 0)
    assert len({str(order(*pair)) for pair in ((0, 0), (0, 1), (1, 0))}) == 3


def test_checked_rows_come_in_order_with_the_rest() -> None:
    shares = [Rows(10, 4, seed=None, rank=rank, world=2) for rank in (0, 1)]
    assert sorted(row for share in shares for batch in share for row in batch) == list(range(10))


def test_weights_bring_rare_rows() -> None:
    weights = torch.tensor([1.0] * 90 + [9.0] * 10)
    drawn = [row for batch in Rows(100, 100, seed=0, weights=weights) for row in batch]
    assert 30 <= sum(row >= 90 for row in drawn) <= 70


def test_batches_that_processes_cannot_share_are_an_error() -> None:
    with pytest.raises(InvalidInputError, match="cannot be shared"):
        Rows(100, 15, seed=0, world=2)
    with pytest.raises(InvalidInputError, match="cannot be shared"):
        Rows(3, 4, seed=0)


def test_the_loader_slices_memory() -> None:
    pixels = torch.arange(12).view(6, 1, 2, 1)
    batches = list(loader(InMemory(pixels, torch.arange(6)), Rows(6, 4, seed=None)))
    assert [batch[1].tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5]]
    assert torch.equal(batches[1][0], pixels[4:])
