"""Which device and precision are taken, and that the average of the weights stays beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from fer_export.errors import MissingDependencyError, UsageError
from fer_export.formats.checkpoint import load_checkpoint
from training import device
from training.__main__ import main
from training.data import drawn
from training.fit import run
from training.fit.loss_watch import LossWatch
from training.fit.run import Run, fit
from training.recipe import read_recipe


def test_devices_are_named_or_refused() -> None:
    assert device.device_named("cpu") == torch.device("cpu")
    assert device.device_named() == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="no device is called gpu"):
        device.device_named("gpu")
    with pytest.raises(MissingDependencyError, match="cuda:99"):
        device.device_named("cuda:99")


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_device_that_is_not_there_is_a_missing_dependency(command: str, tmp_path: Path) -> None:
    for number, picture in enumerate(drawn.faces(60, 0)[0]):
        place = tmp_path / ("happy", "sad")[number % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(picture).save(place / f"{number}.png")
    done = CliRunner().invoke(main, [command, "--data", str(tmp_path), "--kind", "folder", "--device", "cuda:99"])
    assert done.exit_code == 3, done.output
    assert "sees no device cuda:99 here" in done.output


@pytest.mark.parametrize(
    ("flags", "faster", "pays"),
    [
        ({"avx512f"}, True, False),
        ({"avx512f", "avx512_bf16"}, False, False),
        ({"avx512f", "avx512_bf16"}, True, True),
        ({"amx_tile", "amx_bf16"}, False, True),
    ],
)
def test_bfloat16_is_for_cpus_with_amx_and_for_those_that_are_faster_in_it(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], faster: bool, pays: bool
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(device, "_is_faster_in_bfloat16", lambda: faster)
    assert device.bfloat16_pays(torch.device("cpu")) == pays


def test_timing_the_precisions_draws_no_random_number_and_works_where_nothing_is_learned() -> None:
    before = torch.get_rng_state()
    with torch.inference_mode():
        assert device._is_faster_in_bfloat16.__wrapped__() in (True, False)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_flags_are_those_that_linux_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu amx_bf16 sse\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    monkeypatch.setattr(device, "_CPUINFO", tmp_path / "cpuinfo")
    device.cpu_flags.cache_clear()
    assert device.cpu_flags() == {"fpu", "amx_bf16", "sse"}
    monkeypatch.setattr(device, "_CPUINFO", tmp_path / "none")
    device.cpu_flags.cache_clear()
    assert device.cpu_flags() == frozenset()
    device.cpu_flags.cache_clear()


def test_float32_in_place_of_bfloat16_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "cpu_flags", frozenset)
    asked = read_recipe("drawn", epochs=1, changes=["precision=bf16", "stages.0.batch=16"])
    with pytest.warns(UserWarning, match="training in float32") as said:
        fit(asked, Run(tmp_path / "run", limit=32, progress=False))
    expected = 0 if torch.cuda.is_available() else 1
    assert sum("training in float32" in str(one.message) for one in said) == expected


def test_a_run_trains_on_the_device_that_is_asked_for(tmp_path: Path) -> None:
    small = ["fit", "--recipe", "drawn", "--epochs", "1", "--limit", "32", "--set", "stages.0.batch=16"]
    done = CliRunner().invoke(main, [*small, "--device", "cuda:99", "-o", str(tmp_path / "none")])
    assert done.exit_code == 3, done.output
    assert not (tmp_path / "none").exists()
    done = CliRunner().invoke(main, [*small, "--device", "cpu", "-o", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_one_gpu_is_not_for_many_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(run, "device_named", lambda _: torch.device("cuda:1"))
    with pytest.raises(UsageError, match="many processes do not share cuda:1"):
        fit(read_recipe("drawn"), Run(tmp_path / "run", device="cuda:1"))


@pytest.mark.parametrize(
    ("rank", "name", "own"), [("0", "cpu", "cpu"), ("1", "cuda", "cuda:1"), ("1", "cuda:0", "cuda:0")]
)
def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch, rank: str, name: str, own: str) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    monkeypatch.setattr(run, "device_named", torch.device)
    assert run.own_device(name) == torch.device(own)


@pytest.mark.parametrize(
    ("setting", "kind", "compiled"),
    [("never", "cuda", False), ("cuda", "cuda", True), ("cuda", "cpu", False), ("always", "cpu", True)],
)
def test_a_net_is_compiled_where_the_recipe_says_so(setting: str, kind: str, compiled: bool) -> None:
    assert device.compiles(setting, torch.device(kind)) == compiled
    assert read_recipe("drawn", changes=[f"compile={setting}"]).compile == setting


def test_a_compiled_net_trains_as_the_net_itself_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the backend that changes no operation, so that no C++ compiler is needed."""
    made: list[object] = []
    real = torch.compile

    def compile_(net: nn.Module) -> object:
        made.append(real(net, backend="eager"))
        return made[-1]

    monkeypatch.setattr(torch, "compile", compile_)
    losses = []
    for setting in ("never", "always"):
        changes = ["stages.0.batch=16", "precision=float32", f"compile={setting}"]
        fit(
            read_recipe("drawn", epochs=1, changes=changes),
            Run(tmp_path / setting, limit=32, progress=False, device="cpu"),
        )
        losses.append((tmp_path / setting / "metrics.csv").read_text("utf-8").splitlines()[1].split(",")[2:5])
    assert len(made) == 1
    assert losses[0] == losses[1]
    state, plain = (load_checkpoint(tmp_path / each / "last.safetensors").state for each in ("always", "never"))
    assert state.keys() == plain.keys()


# The loss is logged once it has arrived


def test_losses_are_told_once_they_have_arrived_and_averaged_over_an_epoch() -> None:
    told: list[tuple[int, float]] = []
    watch = LossWatch(told=lambda step, loss: told.append((step, loss)))
    for step, loss in enumerate((4.0, 2.0)):
        watch.see(torch.tensor(loss), 0, step)
    assert (watch.mean, watch.latest) == (3.0, 2.0)
    watch.restart()
    watch.see(torch.tensor(1.0), 1, 2)
    assert (watch.mean, told) == (1.0, [(0, 4.0), (1, 2.0), (2, 1.0)])


def test_steps_and_epochs_are_in_the_log(tmp_path: Path) -> None:
    recipe = read_recipe("drawn", epochs=1, changes=["stages.0.batch=2", "precision=float32"])
    fit(recipe, Run(tmp_path / "run", limit=80, progress=False, device="cpu"))
    (events,) = (tmp_path / "run" / "tensorboard").glob("*")
    log = EventAccumulator(str(events))
    log.Reload()
    steps = log.Scalars("loss_step")
    assert [each.step for each in steps] == [19, 39]
    (epoch,) = log.Scalars("loss_epoch")
    row = dict(
        zip(
            *(line.split(",") for line in (tmp_path / "run" / "metrics.csv").read_text("utf-8").splitlines()),
            strict=True,
        )
    )
    assert float(row["loss"]) == pytest.approx(epoch.value, rel=1e-4)
    assert min(each.value for each in steps) > 0
