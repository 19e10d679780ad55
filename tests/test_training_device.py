"""Which device and precision are taken, and that the average of the weights stays beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from fer_export.errors import MissingDependencyError, UsageError
from training import device
from training.__main__ import main
from training.data import drawn
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


@pytest.mark.parametrize(("flags", "pays"), [({"avx512f", "avx512_bf16"}, False), ({"amx_tile", "amx_bf16"}, True)])
def test_bfloat16_is_for_cpus_with_amx(monkeypatch: pytest.MonkeyPatch, flags: set[str], pays: bool) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    assert device.bfloat16_pays(torch.device("cpu")) == pays


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
