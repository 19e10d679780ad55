"""These tests check in Chromium that the page reads contracts and replays golden pictures by Python's rules."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from pages import WEB, chromium_with
from playwright.sync_api import Page

from fer_export.contract import (
    KEY,
    TOLERANCES,
    Architecture,
    Contract,
    Golden,
    Normalization,
    Output,
    PictureInput,
    Tolerance,
    WeightsDType,
    canonical,
)
from fer_export.parity import measuring
from fer_export.parity.samples import Batch

SCRIPT = WEB / "dist" / "testing.js"
LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
CONTRACT = Contract(
    architecture=Architecture(name="fernet"),
    labels=LABELS,
    inputs=(
        PictureInput(
            height=48, width=48, channels=1, color="gray", normalization=Normalization(mean=(129.4,), std=(65.0,))
        ),
    ),
    outputs=(
        Output(name="probabilities", shape=(len(LABELS),), meaning="by label"),
        Output(name="logits", shape=(len(LABELS),), meaning="by label"),
    ),
    license="MIT",
    weights_sha256="0" * 64,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page from disk with the page's pure functions on it: browsers hash in secure contexts alone."""
    if not SCRIPT.is_file():
        pytest.fail(f"{SCRIPT} is not built; next: make web")
    blank = tmp_path_factory.mktemp("page") / "blank.html"
    blank.write_text("<!doctype html>")
    with chromium_with() as browser:
        page = browser.new_page()
        page.goto(blank.as_uri())
        page.add_script_tag(path=SCRIPT)
        yield page


def hash_there(page: Page, text: str) -> str:
    """Return the page's hash of JSON, less its field `sha256`."""
    return str(page.evaluate("(text) => ferTesting.contentHash(JSON.parse(text), 'sha256')", text))


def refusal(page: Page, contract: Any) -> str:
    """Return why the page refuses a model with this contract; empty where it does not."""
    return str(
        page.evaluate(
            "(model) => ferTesting.readContract(model, 'classifier').then(() => '', ({ message }) => message)",
            {"userDefinedMetadata": {KEY: contract}},
        )
    )


AWKWARD = [
    '{"b": 1, "a": {"d": [], "c": {}}, "sha256": "left out"}',
    '{"numbers": [0, -0.0, 1.0, 255.0, 1e-7, 1e21, 5e-324, 0.1, 1e-6, 9007199254740991]}',
    '{"text": ["\\u2028", "\\"\\\\/", "\\u0000\\u001f\\u007f", "é", "\\ud83d\\ude00"], "other": [null, true, false]}',
    # By UTF-16 code units the emoji comes before the ligature, by code points after it.
    '{"\\ufb01": 1, "\\ud83d\\ude00": 2, "Z": 3, "a": 4, "": 5, "10": 6, "9": 7}',
]


@pytest.mark.parametrize("text", AWKWARD)
def test_both_sides_hash_json_alike(page: Page, text: str) -> None:
    assert hash_there(page, text) == canonical.sha256(json.loads(text))


def test_the_page_reads_what_python_wrote(page: Page) -> None:
    written = CONTRACT.to_object()
    assert hash_there(page, json.dumps(written)) == written["sha256"]
    assert refusal(page, written) == ""
    assert refusal(page, CONTRACT.to_json()) == "", "as text too"


def test_a_field_of_a_later_minor_version_is_read(page: Page) -> None:
    later = {**CONTRACT.to_object(), "later": {"field": [1.5]}}
    assert refusal(page, {**later, "sha256": canonical.sha256(later)}) == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 3, "sha256": None, "inputs": None},
         "the classifier was written by a newer fer-export (contract 3): update"),
        ({"version": 1}, "the classifier was written by an older fer-export (contract 1): export the model again"),
        ({"version": None}, "the classifier's contract says no version"),
        ({"license": "mine"}, "the classifier's contract was edited after it was written: export the model again"),
        ({"sha256": "0" * 64}, "the classifier's contract was edited after it was written: export the model again"),
    ],
)  # fmt: skip
def test_a_contract_that_the_page_cannot_trust_is_refused(page: Page, change: dict[str, Any], says: str) -> None:
    assert refusal(page, {**CONTRACT.to_object(), **change}) == says


@pytest.mark.parametrize("contract", [None, 5, "[]"])
def test_a_model_without_a_contract_is_refused(page: Page, contract: Any) -> None:
    assert "contract" in refusal(page, contract)


class Answering:
    """A runtime whose answers for each picture are given: rows by the outputs' names."""

    def __init__(self, name: str, rows: dict[str, np.ndarray]) -> None:
        self.name = name
        self.rows = rows

    def __call__(self, inputs: Any) -> dict[str, np.ndarray]:
        return self.rows


#: Golden answers: the largest value of one output is below every unit, that of the other above all units.
WANTED = {
    "probabilities": np.tile(np.linspace(0, 0.6, len(LABELS), dtype=np.float32), (2, 1)),
    "logits": np.tile(np.linspace(-40, 70, len(LABELS), dtype=np.float32), (2, 1)),
}


def with_golden(contract: Contract, dtype: WeightsDType) -> Contract:
    """Return the contract with two golden pictures that are answered by `WANTED`."""
    pixels = base64.b64encode(bytes(48 * 48)).decode()
    golden = tuple(
        Golden(
            name=str(index),
            height=48,
            width=48,
            pixels=pixels,
            outputs={name: tuple(rows[index].tolist()) for name, rows in WANTED.items()},
        )
        for index in range(2)
    )
    return contract.but(weights_dtype=dtype, golden=golden)


REPLAY = """({ contract, answers }) => {
  let picture = 0;
  const run = () => {
    const rows = answers[picture++];
    return Object.fromEntries(Object.entries(rows).map(([name, row]) =>
      [name, { data: Float32Array.from(row, Number), shape: [1, row.length] }]));
  };
  return ferTesting.selfTest({ classifier: { contract, run } });
}"""


def replay(page: Page, contract: Contract, answers: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the page's self-test of a model that gives these answers."""
    count = len(contract.golden)
    # NaN is no JSON.
    rows = [{name: [str(value) for value in rows[index]] for name, rows in answers.items()} for index in range(count)]
    result: dict[str, Any] = page.evaluate(REPLAY, {"contract": contract.to_object(), "answers": rows})
    return result


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("output", WANTED)
@pytest.mark.parametrize("share", [0.99, 1.01])
def test_both_sides_hold_to_the_same_limit(page: Page, dtype: WeightsDType, output: str, share: float) -> None:
    contract = with_golden(CONTRACT, dtype)
    tolerance: Tolerance = contract.tolerance
    scale = max(1.0, float(np.abs(WANTED[output]).max()) / tolerance.unit)
    answers = {name: rows.copy() for name, rows in WANTED.items()}
    # The changed value is not that of the top class and moves away from it, since top classes have their own limit.
    answers[output][1, 0] -= np.float32(tolerance.value * scale * share)
    batches = [Batch(("0", "1"), {"pixels": {"pixels": np.zeros((2, 48, 48, 1), np.uint8)}})]
    figures = measuring.measure_parity(Answering("a", WANTED), Answering("b", answers), batches, contract)
    [test] = replay(page, contract, answers)["models"]
    assert [entry["output"] for entry in test["outputs"]] == [figure.output for figure in figures]
    for theirs, ours in zip(test["outputs"], figures, strict=True):
        assert theirs["limit"] == pytest.approx(ours.limit, rel=1e-6)
        assert theirs["maxAbs"] == pytest.approx(ours.max_abs, rel=1e-6)
        assert theirs["top1"] == ours.top1
        assert theirs["ok"] is ours.ok
    assert test["ok"] is (share < 1)


def test_another_top_class_is_noticed_within_the_limit(page: Page) -> None:
    contract = with_golden(CONTRACT, "float32")
    wanted, got = ({name: rows.copy() for name, rows in WANTED.items()} for _ in range(2))
    wanted["probabilities"][1, -2:] = [0.60001, 0.6]
    got["probabilities"][1, -2:] = [0.6, 0.60001]
    golden = tuple(
        entry.but(outputs={name: tuple(rows[index].tolist()) for name, rows in wanted.items()})
        for index, entry in enumerate(contract.golden)
    )
    probabilities, logits = replay(page, contract.but(golden=golden), got)["models"][0]["outputs"]
    assert probabilities["maxAbs"] < probabilities["limit"]
    assert (probabilities["ok"], probabilities["top1"]) == (False, 0.5)
    assert (logits["ok"], logits["top1"]) == (True, 1.0)


@pytest.mark.parametrize("output", WANTED)
@pytest.mark.parametrize("how", ["not a number", "missing", "too short"])
def test_an_answer_that_cannot_be_compared_fails(page: Page, output: str, how: str) -> None:
    answers = {name: rows.copy() for name, rows in WANTED.items()}
    if how == "not a number":
        answers[output][0, 3] = np.nan
    elif how == "missing":
        del answers[output]
    else:
        answers[output] = answers[output][:, :-1]
    test = replay(page, with_golden(CONTRACT, "float32"), answers)
    assert test["ok"] is False
    assert [entry["output"] for entry in test["models"][0]["outputs"] if not entry["ok"]] == [output]


def test_a_model_without_golden_pictures_fails(page: Page) -> None:
    assert replay(page, CONTRACT.but(golden=()), WANTED)["ok"] is False


def check_types(schema: str) -> tuple[int, str]:
    """Hold web/src/contract.ts against a schema: exit code and standard error."""
    done = subprocess.run(
        ["node", "build/contract-types.mjs", "--check"],
        cwd=WEB,
        input=schema,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_pages_interfaces_are_those_of_the_contract() -> None:
    command = [sys.executable, "-m", "fer_export.contract"]
    schema = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert check_types(schema) == (0, "")
    changed = json.loads(schema)
    changed["properties"]["later"] = {"type": "string"}
    code, said = check_types(json.dumps(changed))
    assert code == 1
    assert said.strip().endswith(
        f"{Path('web/src/contract.ts')} is not what fer_export/contract says; next: make contract-types"
    )
