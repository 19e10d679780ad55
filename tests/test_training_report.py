"""These tests check evaluation and report: metrics by their definitions, averaged views apart, and counted looks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import LABELS, make_checkpoint
from PIL import Image
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from fer_export import models
from fer_export.contract import Architecture, Metric, Training
from fer_export.errors import InvalidInputError
from fer_export.formats import checkpoint as checkpoints
from fer_export.formats.checkpoint import Checkpoint, weights_sha256
from training import report
from training.data import drawn
from training.data.faces import ALL, PRIVATE, PUBLIC, TRAINING, Faces
from training.measure import figures, test_set_ledger
from training.measure.evaluation import Evaluation, evaluate, fitted, predict, view
from training.report import history, mistakes, statements, text

HOSTILE = "<script>alert(1)</script> $x_1$ & “quoted”"
PICTURES = ("history.png", "confusion.png", "reliability.png", "mistakes.png")
METRICS = """epoch,stage,loss,val_loss,accuracy,macro_f1,learning_rate
1,warm,1.9,1.8,0.3,0.2,0.1
2,warm,1.5,,0.5,0.4,0.01
1,fine,1.2,1.3,0.7,0.6,0.001
"""


@pytest.fixture(scope="module")
def net() -> Checkpoint:
    """A small random net for drawn faces, with what a trained one says about itself."""
    made = make_checkpoint(widths=(8, 16, 24), num_classes=len(drawn.LABELS))
    contract = made.contract.but(
        labels=drawn.LABELS,
        outputs=tuple(one.model_copy(update={"shape": (len(drawn.LABELS),)}) for one in made.contract.outputs),
        training=Training(
            data=drawn.draw_faces(30, 60).name, protocol="drawn labels", recipe="drawn", seed=3, epochs=2, note=HOSTILE
        ),
        metrics=(Metric(name="accuracy", value=0.2, split=PUBLIC, protocol="drawn labels", samples=60),),
    )
    return Checkpoint(contract, made.state)


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Drawn faces of two splits; one PublicTest row has no label."""
    read = drawn.draw_faces(30, 60)
    targets = read.targets.clone()
    targets[30] = 0
    return replace(read, targets=targets)


@pytest.fixture(scope="module")
def measured(net: Checkpoint, faces: Faces) -> Evaluation:
    return evaluate(net, faces.of(PUBLIC), views=3)


def probabilities(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)


def one_hot(*classes: int, count: int) -> Tensor:
    return torch.eye(count)[list(classes)]


# The figures


def test_the_figures_by_hand() -> None:
    # The rows are labelled a a a b and answered a a b c. No row has the label c or d, and no answer is d.
    answers = probabilities([0.7, 0.1, 0.1, 0.1], [0.6, 0.2, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.3, 0.6, 0.0])
    found = figures.figures_of(answers, one_hot(0, 0, 0, 1, count=4), ("a", "b", "c", "d"))
    assert found.accuracy == 0.5
    assert found.accuracy_error == pytest.approx(math.sqrt(0.25 / 4))
    assert found.confusion.tolist() == [[2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    a, b, c, d = found.labels
    assert (a.precision, a.recall, a.f1, a.support) == (1, pytest.approx(2 / 3), pytest.approx(0.8), 3)
    assert (b.precision, b.recall, b.f1, b.support) == (0, 0, 0, 1)
    # c is answered but never labelled, so it has a precision and no recall; d is neither, so it has nothing.
    assert (c.precision, c.recall, c.f1, c.support) == (0, None, 0, 0)
    assert (d.precision, d.recall, d.f1, d.support) == (None, None, None, 0)
    # The mean is over a, b and c, since d never occurs.
    assert found.macro_f1 == pytest.approx(0.8 / 3)
    # The mean is over a and b, the labels that some row has.
    assert found.balanced_accuracy == pytest.approx(1 / 3)
    assert found.nll == pytest.approx(-(math.log(0.7) + math.log(0.6) + math.log(0.2) + math.log(0.3)) / 4)


def test_votes_are_held_against_the_whole_answer() -> None:
    found = figures.figures_of(probabilities([0.5, 0.25, 0.25]), torch.tensor([[0.5, 0.5, 0.0]]), ("a", "b", "c"))
    assert found.nll == pytest.approx(-(0.5 * math.log(0.5) + 0.5 * math.log(0.25)))


def test_an_answer_of_zero_costs_much_and_not_everything() -> None:
    found = figures.figures_of(probabilities([1.0, 0.0]), one_hot(1, count=2), ("a", "b"))
    assert found.nll == pytest.approx(87.3, abs=0.1)


def test_ece_is_the_fields() -> None:
    torch.manual_seed(0)
    answers = (torch.randn(4000, 5) * 2).softmax(1)
    classes = torch.where(torch.rand(4000) < 0.6, answers.argmax(1), torch.randint(0, 5, (4000,)))
    found = figures.calibration(answers, classes)
    assert found.ece == pytest.approx(multiclass_calibration_error(answers, classes, 5, n_bins=15).item(), abs=1e-5)
    assert found.rows.sum() == 4000
    assert len(found.rows) == 15


def test_a_confidence_of_one_is_in_the_last_bin() -> None:
    # One answer is sure and wrong, the other nearly sure and right; in one bin their gaps are averaged.
    answers = probabilities([1.0, 0.0], [0.98, 0.02])
    found = figures.calibration(answers, torch.tensor([1, 0]))
    assert found.rows.tolist() == [0] * 14 + [2]
    assert found.ece == pytest.approx(0.99 - 0.5)


# Evaluation


def test_evaluation_is_of_the_labelled_rows(net: Checkpoint, faces: Faces, measured: Evaluation) -> None:
    rows = faces.of(PUBLIC).labelled()
    with torch.inference_mode():
        expected = net.module()(rows.pixels.float())[0]
    assert measured.samples == len(rows) == 59
    torch.testing.assert_close(measured.probabilities, expected, atol=1e-5, rtol=0)
    assert measured.accuracy == pytest.approx((expected.argmax(1) == rows.classes).double().mean().item())
    assert sum(one.support for one in measured.labels) == 59
    assert measured.confusion.sum() == 59
    assert (measured.split, measured.protocol, measured.data) == (PUBLIC, faces.protocol, faces.name)


def test_other_labels_are_refused_and_both_are_shown(small: Checkpoint, faces: Faces) -> None:
    with pytest.raises(InvalidInputError) as caught:
        evaluate(small, faces)
    assert ", ".join(LABELS) in caught.value.reason
    assert ", ".join(drawn.LABELS) in caught.value.reason


def test_the_same_labels_in_another_order_are_refused(net: Checkpoint, faces: Faces) -> None:
    with pytest.raises(InvalidInputError, match="labels are not those"):
        evaluate(net, replace(faces, labels=faces.labels[::-1]))


def test_rows_without_any_label_are_refused(net: Checkpoint, faces: Faces) -> None:
    with pytest.raises(InvalidInputError, match="no row has a label"):
        evaluate(net, replace(faces, targets=torch.zeros_like(faces.targets)))


def test_a_diverged_net_is_an_error_and_not_a_figure(net: Checkpoint, faces: Faces) -> None:
    state = {name: torch.full_like(value, math.nan) for name, value in net.state.items() if value.is_floating_point()}
    broken = {**net.state, **state}
    diverged = Checkpoint(net.contract.but(weights_sha256=weights_sha256(broken)), broken)
    with pytest.raises(InvalidInputError, match=r"not a number for 90 of 90 pictures|not a number for 89 of 89"):
        evaluate(diverged, faces)


# Views


def test_the_first_views_are_the_picture_and_its_mirror() -> None:
    pixels = torch.rand(2, 1, 48, 48) * 255
    assert torch.equal(view(pixels, 0), pixels)
    assert torch.equal(view(pixels, 1), pixels.flip(3))


def test_later_views_are_small_shifts_and_always_the_same() -> None:
    # A dot in the middle may move by 4 % of the side, and grow or shrink a little.
    pixels = torch.zeros(1, 1, 48, 48)
    pixels[..., 23:25, 23:25] = 1
    grid = torch.arange(48) + 0.5
    for number in range(2, 10):
        seen = view(pixels, number)[0, 0]
        assert torch.equal(seen, view(pixels, number)[0, 0])
        x, y = (seen.sum(0) * grid).sum() / seen.sum(), (seen.sum(1) * grid).sum() / seen.sum()
        assert 0.01 < max(abs(x - 24), abs(y - 24)) < 48 * 0.04 * 1.1
    assert not torch.equal(view(pixels, 2), view(pixels, 4))


def test_views_are_averaged_probabilities(net: Checkpoint, faces: Faces) -> None:
    pixels = faces.pixels[:5]
    both = (predict(net, pixels) + predict(net, pixels.flip(3))) / 2
    torch.testing.assert_close(predict(net, pixels, views=2), both, atol=1e-6, rtol=0)
    torch.testing.assert_close(predict(net, pixels, views=10).sum(1), torch.ones(5))


def test_views_leave_the_single_view_alone(net: Checkpoint, faces: Faces, measured: Evaluation) -> None:
    single = evaluate(net, faces.of(PUBLIC))
    assert single.tta is None
    assert torch.equal(single.probabilities, measured.probabilities)
    assert (single.accuracy, single.nll, single.ece) == (measured.accuracy, measured.nll, measured.ece)
    assert measured.tta is not None
    averaged = predict(net, faces.of(PUBLIC).labelled().pixels, views=3)
    assert measured.tta.accuracy == pytest.approx((averaged.argmax(1) == measured.classes).double().mean().item())
    assert measured.tta.nll != measured.nll


def test_progress_counts_every_picture_in_every_view(net: Checkpoint, faces: Faces) -> None:
    done: list[int] = []
    predict(net, faces.pixels.repeat(4, 1, 1, 1), views=2, progress=done.append)
    assert sum(done) == 360 * 2
    assert len(done) == 4


@pytest.mark.parametrize("views", [0, 11])
def test_views_have_limits(net: Checkpoint, faces: Faces, views: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 10"):
        predict(net, faces.pixels, views=views)


def test_pictures_of_another_size_are_resampled_without_moire(net: Checkpoint) -> None:
    stripes = torch.zeros(1, 1, 192, 192, dtype=torch.uint8)
    stripes[..., ::2] = 200
    small = fitted(stripes, net.contract)
    assert small.shape == (1, 1, 48, 48)
    assert (small - 100).abs().max() < 10
    ramp = torch.arange(0, 240, 10, dtype=torch.uint8).expand(1, 1, 24, 24)
    large = fitted(ramp, net.contract)[0, 0, 0]
    # Pixel centres at half: column j of 48 lies at (j + 0.5) / 2 - 0.5 of 24.
    torch.testing.assert_close(large[10:14], torch.tensor([47.5, 52.5, 57.5, 62.5]), atol=1e-3, rtol=0)


def test_colours_for_a_gray_net_are_refused(net: Checkpoint) -> None:
    with pytest.raises(InvalidInputError, match=r"3 channel\(s\), the checkpoint takes 1 \(gray\)"):
        predict(net, torch.zeros(1, 3, 48, 48, dtype=torch.uint8))


# The ledger


def look(folder: Path, accuracy: float = 0.5) -> None:
    test_set_ledger.record_look(
        folder, weights_sha256="a" * 64, split=PRIVATE, when="2025-01-01", figures={"accuracy": accuracy}
    )


def test_looks_are_counted(tmp_path: Path) -> None:
    assert test_set_ledger.past_looks(tmp_path) == []
    look(tmp_path, 0.5)
    first = (tmp_path / test_set_ledger.NAME).read_bytes()
    look(tmp_path, 0.6)
    assert [one["figures"]["accuracy"] for one in test_set_ledger.past_looks(tmp_path)] == [0.5, 0.6]
    assert (tmp_path / test_set_ledger.NAME).read_bytes().startswith(first)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-10],
        lambda whole: whole[:-1],
        lambda whole: whole + b"{}\n",
        lambda whole: whole + b"[1]\n",
        lambda whole: b"\xff" + whole,
        lambda whole: b"\n" + whole,
    ],
    ids=["cut off", "no line end", "no look", "no object", "no text", "blank line"],
)
def test_a_damaged_ledger_is_an_error_and_stays_as_it_is(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    look(tmp_path)
    path = tmp_path / test_set_ledger.NAME
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    for attempt in (test_set_ledger.past_looks, look):
        with pytest.raises(InvalidInputError, match="ledger") as caught:
            attempt(tmp_path)
        assert "never reset" in str(caught.value.hint)
    assert path.read_bytes() == before


# What the figures are worth


@pytest.mark.parametrize(
    ("choosing", "split", "says"),
    [
        (PUBLIC, PUBLIC, "the same rows"),
        (PUBLIC, PRIVATE, "these are other rows"),
        (PUBLIC, TRAINING, "were trained on"),
        ("20% of Training and PublicTest, shuffled with seed 0", PUBLIC, "most rows of PublicTest were trained on"),
    ],
)
def test_it_says_whether_the_rows_are_free_of_the_choice(
    net: Checkpoint, measured: Evaluation, choosing: str, split: str, says: str
) -> None:
    metric = net.contract.metrics[0].model_copy(update={"split": choosing})
    said = statements.chosen_by(net.contract.but(metrics=(metric,)), replace(measured, split=split))
    assert said.startswith(f"{choosing} chose the epoch")
    assert says in said


def test_it_says_that_other_pictures_chose(net: Checkpoint, measured: Evaluation) -> None:
    other = statements.chosen_by(net.contract, replace(measured, data="image folder mine"))
    assert "pictures of another data set, image folder mine" in other
    assert "same rows" not in other
    # FER2013's pictures are the same ones by either set of labels.
    training = Training(data="FER2013", protocol="p", recipe="r", seed=0, epochs=1)
    votes = replace(measured, data="FER2013 pictures with FER+ votes")
    assert "the same rows" in statements.chosen_by(net.contract.but(training=training), votes)


def test_all_pictures_of_the_set_that_was_trained_on_are_no_measure(net: Checkpoint, measured: Evaluation) -> None:
    assert "most of these rows were trained on" in statements.chosen_by(net.contract, replace(measured, split=ALL))


def test_a_checkpoint_that_does_not_say_what_chose(net: Checkpoint, measured: Evaluation) -> None:
    assert "does not say" in statements.chosen_by(net.contract.but(metrics=()), measured)


# The report


class Page(HTMLParser):
    """What a browser would make of a page: its tags, what they refer to, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.csp = ""
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.targets += [str(found[name]) for name in ("src", "href", "srcset", "action") if name in found]
        assert not [name for name in found if name.startswith("on")]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.csp = str(found["content"])

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(net: Checkpoint, faces: Faces, measured: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with its report."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "metrics.csv").write_text(METRICS)
    (folder / "recipe.yaml").write_text(f"name: {HOSTILE}\n")
    (folder / "environment.json").write_text(json.dumps({"packages": {"torch": "2.14"}, HOSTILE: [1, 2]}))
    look(folder)
    public = faces.of(PUBLIC)
    named = replace(public, where=tuple(f"{HOSTILE}/{number}.jpg" for number in range(len(public))))
    page = report.write(folder, net, measured, named, history=folder / "metrics.csv", notes=[HOSTILE])
    assert page == folder / "report.html"
    return folder


def test_a_report_leaves_every_file_and_no_temporary_one(folder: Path) -> None:
    written = {path.name for path in folder.iterdir()}
    inputs = {"metrics.csv", "recipe.yaml", "environment.json", test_set_ledger.NAME}
    tables = {"classification_report.txt", "classification_report.json", "report.html"}
    assert written == inputs | tables | set(PICTURES)
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            picture.load()
            assert picture.width >= 1000
            # The picture is not blank.
            assert np.asarray(picture.convert("L")).std() > 10


def test_the_page_holds_all_asks_for_nothing_and_runs_nothing(folder: Path) -> None:
    page = Page((folder / "report.html").read_text("utf-8"))
    assert page.csp == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert page.tags.count("img") == len(PICTURES)
    assert all(target.startswith("data:") for target in page.targets)
    assert not {"script", "iframe", "object", "form", "base"} & set(page.tags)


def test_the_page_shows_hostile_values_as_text(folder: Path) -> None:
    source = (folder / "report.html").read_text("utf-8")
    assert "<script" not in source
    # It is in the contract's note, the notes, the recipe, the environment, and the sources of the mistakes.
    assert Page(source).text.count(HOSTILE) >= 5


def test_the_page_says_what_the_figures_are_worth(folder: Path, net: Checkpoint, measured: Evaluation) -> None:
    said = " ".join(Page((folder / "report.html").read_text("utf-8")).text.split())
    assert text.share(measured.accuracy) in said
    assert measured.tta is not None
    assert "Averaged over 3 views" in said
    assert said.index(text.share(measured.accuracy)) < said.index("Averaged over 3 views")
    for fact in (
        "PrivateTest was looked at 1 time, 0 of them with these weights.",
        "PublicTest chose the epoch: these are the same rows",
        "One seed (3), so no deviation",
        "keep its terms",
        "n = 59",
        net.contract.weights_sha256,
        net.contract.license,
        "torch 2.14",
    ):
        assert fact in said


def test_the_tables_agree_with_the_evaluation(folder: Path, measured: Evaluation) -> None:
    table = json.loads((folder / "classification_report.json").read_text())
    assert measured.tta is not None
    assert table["single_view"]["accuracy"] == measured.accuracy
    assert table["averaged_views"]["accuracy"] == measured.tta.accuracy
    assert table["averaged_views"]["views"] == 3
    assert table["single_view"]["confusion"] == measured.confusion.tolist()
    assert {one["label"] for one in table["single_view"]["labels"]} == set(drawn.LABELS)
    written = (folder / "classification_report.txt").read_text()
    assert f"{measured.accuracy * 100:.2f} ±" in written
    assert written.index("single view") < written.index("average of 3 views, measured apart")


@pytest.mark.parametrize("width", [60, 80])
def test_the_text_fits_its_columns(measured: Evaluation, width: int) -> None:
    long = replace(measured, labels=tuple(replace(one, label=one.label * 9) for one in measured.labels))
    assert max(len(line) for line in text.as_text(long, width).splitlines()) <= width


def test_a_failed_report_leaves_the_old_one(folder: Path, net: Checkpoint, faces: Faces) -> None:
    outcome = [folder / name for name in (*PICTURES, "report.html", "classification_report.txt")]
    before = [path.read_bytes() for path in outcome]
    good = (folder / "environment.json").read_text()
    few = faces.of(TRAINING)
    (folder / "environment.json").write_text("{")
    try:
        with pytest.raises(InvalidInputError, match=r"environment\.json is not JSON"):
            report.write(folder, net, evaluate(net, few), few)
    finally:
        (folder / "environment.json").write_text(good)
    assert [path.read_bytes() for path in outcome] == before


def test_the_sheet_begins_with_the_surest_mistake(faces: Faces, measured: Evaluation) -> None:
    rows = faces.of(PUBLIC).labelled()
    found = mistakes.surest(measured, rows)
    confidence = [one.confidence for one in found]
    assert confidence == sorted(confidence, reverse=True)
    wrong = measured.probabilities.argmax(1) != measured.classes
    assert confidence[0] == measured.probabilities[wrong].max().item()
    for one in found:
        assert one.said != one.labelled
        assert one.labelled == rows.labels[int(rows.classes[one.row])]
        assert one.where == rows.where[one.row]


def test_a_report_without_a_mistake(net: Checkpoint, faces: Faces, measured: Evaluation, tmp_path: Path) -> None:
    rows = faces.of(PUBLIC).labelled()
    right = torch.where(rows.targets > 0, 0.9, 0.02)
    perfect = replace(measured, **vars(figures.figures_of(right, rows.targets, rows.labels)), probabilities=right)
    report.write(tmp_path, net, perfect, rows)
    assert not (tmp_path / "history.png").exists()
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "100.00 %" in page.text
    assert page.tags.count("img") == 3
    assert "details" not in page.tags


def test_colour_pictures_and_votes_reach_the_sheet(tmp_path: Path) -> None:
    arguments = {"num_classes": len(LABELS), "widths": (8, 16, 24), "channels": 3}
    torch.manual_seed(2)
    state = models.build("fernet", **arguments).state_dict()
    contract = make_checkpoint(widths=(8, 16, 24), channels=3).contract
    made = Checkpoint(contract.but(architecture=Architecture(name="fernet", arguments=arguments)), state)
    torch.manual_seed(3)
    rows = Faces(
        name="colours",
        protocol="votes",
        labels=LABELS,
        pixels=torch.randint(0, 256, (12, 3, 60, 60), dtype=torch.uint8),
        targets=torch.rand(12, len(LABELS)).softmax(1),
        split=np.array([PUBLIC] * 12),
        where=tuple(f"train/顔/{number}.jpg" for number in range(12)),
    )
    report.write(tmp_path, made, evaluate(made, rows), rows)
    assert (tmp_path / "mistakes.png").stat().st_size > 10_000


# The history


def test_stages_are_counted_on(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    read = history.read_history(tmp_path / "metrics.csv")
    assert read.columns["loss"] == [(1, 1.9), (2, 1.5), (3, 1.2)]
    # A blank is no value.
    assert read.columns["val_loss"] == [(1, 1.8), (3, 1.3)]
    assert read.stages == [(1, "warm"), (3, "fine")]


def test_columns_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,loss\n0,2.0\n1,1.0\n")
    assert history.read_history(tmp_path / "metrics.csv").columns == {"loss": [(1, 2.0), (2, 1.0)]}
    history.draw(tmp_path / "metrics.csv", tmp_path / "history.png", "Training of x", "y")
    with Image.open(tmp_path / "history.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("loss\n1\n", "no column 'epoch'"),
        ("epoch,loss\n1,2\n2,much\n", "row 2"),
        ("epoch,loss\n,2\n", "row 1"),
        ("epoch,seconds\n1,2\n", "holds no loss"),
    ],
)
def test_a_history_that_does_not_hold(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(InvalidInputError, match=says):
        history.draw(tmp_path / "metrics.csv", tmp_path / "history.png", "x", "y")
    assert not (tmp_path / "history.png").exists()


# The command


@pytest.fixture
def call(
    net: Checkpoint, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """`python -m training evaluate` on drawn faces with a PrivateTest: exit code, stdout, stderr."""
    from training.cli.evaluate import main

    split = faces.split.astype("<U12")
    split[-20:] = PRIVATE
    # One PublicTest picture is in Training too.
    pixels = faces.pixels.clone()
    pixels[31] = pixels[3]
    monkeypatch.setattr(drawn, "draw_faces", lambda: replace(faces, split=split, pixels=pixels))
    checkpoints.save(net, tmp_path / "run" / "best.safetensors")

    def run(*arguments: object) -> tuple[int, str, str]:
        given = ["--ckpt", tmp_path / "run" / "best.safetensors", *arguments]
        done = CliRunner(env={"COLUMNS": "60"}).invoke(main, [str(one) for one in given])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


Call = Callable[..., tuple[int, str, str]]


def test_the_command_prints_the_figures(call: Call) -> None:
    code, said, _ = call("--views", 2)
    assert code == 0
    assert "n = 39" in said
    assert "average of 2 views, measured apart" in said
    assert "PrivateTest was looked at 0 times." in said
    assert "\nnext: " in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("next:")) <= 60


def test_the_command_leaves_copies_out(call: Call) -> None:
    code, said, _ = call("--without-copies", "--json")
    found = json.loads(said)
    assert (code, found["samples"]) == (0, 38)
    assert "without pictures that are in Training too" in found["protocol"]


def test_private_test_wants_final(call: Call, tmp_path: Path) -> None:
    code, said, error = call("--split", PRIVATE)
    assert (code, said) == (2, "")
    assert "one look after the last choice" in error
    assert "--final" in error
    assert not (tmp_path / "run" / test_set_ledger.NAME).exists()
    assert call("--final")[0] == 2


def test_each_look_at_private_test_is_counted(call: Call, net: Checkpoint, tmp_path: Path) -> None:
    code, said, _ = call("--split", PRIVATE, "--final")
    assert code == 0
    assert "looked at 1 time, 1 of them" in said.replace("\n", " ")
    code, said, _ = call("--split", PRIVATE, "--final", "--json")
    found = json.loads(said)
    assert found["private_looks"] == 2
    last = test_set_ledger.past_looks(tmp_path / "run")[-1]
    assert last["weights_sha256"] == net.contract.weights_sha256
    assert last["figures"]["accuracy"] == found["single_view"]["accuracy"]
    assert last["split"] == PRIVATE


def test_no_figure_is_shown_that_could_not_be_written_down(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(test_set_ledger.os, "fsync", refuse)
    code, said, error = call("--split", PRIVATE, "--final", "-o", tmp_path / "report")
    assert (code, said) == (4, "")
    assert "No space left on device" in error
    assert not (tmp_path / "report").exists()


def test_a_damaged_ledger_stops_the_command(call: Call, tmp_path: Path) -> None:
    (tmp_path / "run" / test_set_ledger.NAME).write_text("oh\n")
    code, said, error = call()
    assert (code, said) == (4, "")
    assert "line 1" in error


def test_the_command_writes_the_report(call: Call, tmp_path: Path) -> None:
    (tmp_path / "run" / "metrics.csv").write_text(METRICS)
    code, said, _ = call("-o", tmp_path / "report")
    assert code == 0
    assert "next: fer-export onnx" in said
    # The history lies beside the checkpoint, the report elsewhere.
    for name in (*PICTURES, "report.html"):
        assert (tmp_path / "report" / name).is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--protocol", "soft"), "--protocol is for FER+"),
        (("--split", TRAINING, "--without-copies"), "their own copies"),
        (("--kind", "ferplus"), "add --data"),
    ],
)
def test_calls_that_cannot_be_carried_out(call: Call, arguments: tuple[str, ...], says: str) -> None:
    code, _, error = call(*arguments)
    assert code == 2
    assert says in error
