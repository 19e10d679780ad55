"""These tests check how a run stops early: by Ctrl-C, a loss that is not finite, or a file that it must not open."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import optuna
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT

from fer_export.errors import InvalidInputError
from training import tune
from training.__main__ import main
from training.fit.epoch_bar import EpochBar
from training.fit.errors import DivergedError
from training.fit.run import Run, fit
from training.recipe import read_recipe

SMALL = ("stages.0.batch=16",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    fit(read_recipe("drawn", epochs=1, changes=SMALL), Run(folder, limit=32, progress=False))
    return folder


# A loss that is not finite


def test_a_loss_that_is_not_finite_ends_the_run_at_once(tmp_path: Path) -> None:
    wild = (*SMALL, "stages.0.optimizer={name: sgd, learning_rate: 1e+30}", "stages.0.schedule={name: constant}")
    asked = read_recipe("drawn", epochs=3, changes=[*wild, "stages.0.ema=0", "precision=float32"])
    with pytest.raises(DivergedError, match=r"not finite in epoch 1, step [2-8]; no checkpoint yet"):
        fit(asked, Run(tmp_path / "run", limit=128, progress=False))
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_the_last_good_checkpoint_is_named_and_stays(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    before = (folder / "last.safetensors").read_bytes()
    state = torch.load(folder / "stages" / "0-fit" / "last.ckpt", weights_only=True)
    key = next(name for name in state["state_dict"] if name.endswith("head.weight"))
    for weights in (state["state_dict"], state.get("current_model_state", {}), state.get("averaging_state", {})):
        for name in [name for name in weights if name.endswith(key.removeprefix("net."))]:
            weights[name].fill_(float("nan"))
    torch.save(state, folder / "stages" / "0-fit" / "last.ckpt")
    (folder / "stages" / "0-fit" / "finished").unlink()
    done = CliRunner().invoke(
        main, f"fit --recipe drawn --epochs 2 --limit 32 --set {SMALL[0]} --resume --json -o {folder}"
    )
    assert done.exit_code == 1, done.output
    said = json.loads(done.stdout)["error"]
    assert "epoch 2, step 3" in said
    assert f"the last good checkpoint: {folder / 'last.safetensors'}" in said
    assert (folder / "last.safetensors").read_bytes() == before


# A resume file is data


class Planted:
    """What a stranger's file runs when it is unpickled without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("how", ["zip", "pickle"])
def test_a_resume_file_cannot_run_anything(finished: Path, tmp_path: Path, how: str) -> None:
    folder, marker = tmp_path / "run", tmp_path / "ran"
    shutil.copytree(finished, folder)
    last = folder / "stages" / "0-fit" / "last.ckpt"
    if how == "zip":
        torch.save({**torch.load(last, weights_only=True), "extra": Planted(marker)}, last)
    else:
        last.write_bytes(pickle.dumps({"epoch": 0, "extra": Planted(marker)}))
    (folder / "stages" / "0-fit" / "finished").unlink()
    asked = read_recipe("drawn", epochs=2, changes=SMALL)
    with pytest.raises(InvalidInputError, match=r"last\.ckpt"):
        fit(asked, Run(folder, limit=32, progress=False, resume=True))
    assert not marker.exists()


def test_the_state_that_a_run_writes_is_data_alone(finished: Path) -> None:
    torch.load(finished / "stages" / "0-fit" / "last.ckpt", weights_only=True)


# Ctrl-C


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, as_json: bool) -> None:
    arguments = [
        "fit",
        "--recipe",
        "drawn",
        "--epochs",
        "500",
        "--limit",
        "32",
        "--set",
        SMALL[0],
        "-o",
        tmp_path / "x",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *arguments, *(["--json"] if as_json else [])],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    while not (tmp_path / "x" / "stages" / "0-fit" / "last.ckpt").is_file():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    if as_json:
        said = json.loads(out)
        assert (said["ok"], said["interrupted"], said["exit_code"]) == (False, True, 130)
        assert "--resume" in said["hint"]
        assert "finished epoch" in said["error"]
    else:
        assert "the same command with --resume" in err
        assert "Traceback" not in err


# Epochs are counted from 1


def test_the_bar_counts_epochs_as_the_history_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []
    told = EpochBar._get_train_description

    def record(bar: EpochBar, epoch: int) -> str:
        seen.append(told(bar, epoch).strip())
        return seen[-1]

    monkeypatch.setattr(EpochBar, "_get_train_description", record)
    fit(read_recipe("drawn", epochs=2, changes=SMALL), Run(tmp_path / "run", limit=32))
    assert list(dict.fromkeys(seen)) == ["Epoch 1/2", "Epoch 2/2"]


# A search


def test_workers_begin_no_more_trials_than_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, together = [], threading.Barrier(2, timeout=60)
    lock = threading.Lock()

    def stand_in(recipe: object, run: Run) -> Path:
        with lock:
            begun.append(run.folder.name)
        time.sleep(0.2)
        raise optuna.TrialPruned

    monkeypatch.setattr(tune, "fit", stand_in)
    searches = [
        tune.Search("drawn", tmp_path / str(worker), f"sqlite:///{tmp_path / 'study.db'}", "s", trials=3, data={})
        for worker in range(2)
    ]
    (tmp_path / "0").mkdir()
    tune._study(searches[0])

    def work(search: tune.Search) -> None:
        together.wait()
        tune.tune(search)

    threads = [threading.Thread(target=work, args=(search,)) for search in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 3
    counted = tune._study(searches[0]).get_trials(states=tune.ENDED)
    assert len(counted) == 3


def test_nothing_of_optuna_that_goes_away_is_used(tmp_path: Path) -> None:
    search = tune.Search("drawn", tmp_path, f"sqlite:///{tmp_path / 'study.db'}", "s", trials=1, data={})
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        tune._study(search)
