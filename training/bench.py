"""This module is `python -m training.bench`: it times feeding the net, by our data path and the usual one, in one run.

Speed is never a test: the times are printed with their spread, and the exit code is 0 whatever they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from fer_export import models
from fer_export.cli.output import Output, command
from fer_export.contract import Normalization
from fer_export.diagnose.bench import machine as hardware
from fer_export.errors import InvalidInputError
from fer_export.models.classifier import Normalize
from training.augment import Augmentation, augment
from training.fit.dataloader import InMemory, Rows, loader

MEAN, STD = 129.4, 65.0
#: The project's promises: our pictures per second over the usual path's at least; our share of a whole step at most.
RATIO, SHARE = 5.0, 0.05
#: The defaults of `Augmentation` in torchvision's terms. Sides of 6–20 pixels become shares of the area.
USUAL = transforms.Compose(
    [
        transforms.RandomHorizontalFlip(0.5),
        transforms.RandomAffine(15, (0.075, 0.075), (0.85, 1.15), interpolation=transforms.InterpolationMode.BILINEAR),
        transforms.ColorJitter(brightness=0.3, contrast=0.3),
        transforms.ToTensor(),
        transforms.Normalize((MEAN / 255,), (STD / 255,)),
        transforms.RandomErasing(0.5, (6 * 6 / 48**2, 20 * 20 / 48**2), (0.3, 3.3)),
    ]
)


class Pictures(Dataset[tuple[Tensor, int]]):
    """Return one picture at a time, by PIL and torchvision. No file is read and nothing is decoded."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels[:, 0].numpy()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return USUAL(Image.fromarray(np.asarray(self.pixels[row]))), 0


def time_data_paths(
    pixels: Tensor, *, repetitions: int = 5, batches: int = 64, steps: int = 8, batch: int = 128, workers: int = 2
) -> dict[str, Any]:
    """Time both data paths and a training step, in turn, on the CPU.

    Args:
        pixels: uint8 [N, 1, 48, 48].
        repetitions: number of rounds; each times all three.
        batches: batches of each data path in a round.
        steps: training steps in a round.
        batch: pictures in a batch.
        workers: processes of the usual path.

    Returns:
        For `ours`, `usual` and `step` the milliseconds for a batch, for `rates` the pictures per second, for `ratio`
        our rate over the usual one, for `share` our part of a whole step (data and net): each with one value for
        each round in `rounds`, and `median`, `low`, `high`.

    Raises:
        InvalidInputError: there are fewer pictures than a batch takes.
    """
    if len(pixels) < batch:
        raise InvalidInputError(
            f"{len(pixels)} pictures, and a batch takes {batch}", hint="without --data faces are drawn"
        )
    runs = {"usual": _usual(pixels, batches, batch, workers), "ours": _ours(pixels, batches, batch)}
    runs["step"] = _step(next(_fed(pixels, batch)), steps)
    for run in runs.values():
        # The first call is not timed: workers start, memory is allocated, kernels are chosen.
        run()
    rounds = [{name: run() * 1000 for name, run in runs.items()} for _ in range(repetitions)]
    columns = {name: [each[name] for each in rounds] for name in runs}
    ours, usual, step = (columns[name] for name in ("ours", "usual", "step"))
    return {
        **{name: _summary(values) for name, values in columns.items()},
        "rates": {name: _summary([batch * 1000 / ms for ms in columns[name]]) for name in ("ours", "usual")},
        "ratio": _summary([theirs / mine for theirs, mine in zip(usual, ours, strict=True)]),
        "share": _summary([mine / (mine + net) for mine, net in zip(ours, step, strict=True)]),
        "setting": {
            "pictures": len(pixels),
            "batch": batch,
            "batches": batches,
            "steps": steps,
            "repetitions": repetitions,
            "workers": workers,
        },
    }


def _fed(pixels: Tensor, batch: int) -> Iterator[Tensor]:
    """Yield batches of our path without end: rows out of memory, augmented, normalised, channels last."""
    rows = Rows(len(pixels), batch, seed=0)
    normalize, how = Normalize(Normalization(mean=(MEAN,), std=(STD,))), Augmentation()
    while True:
        for (chosen,) in loader(InMemory(pixels), rows):
            yield normalize(augment(chosen, how)).contiguous(memory_format=torch.channels_last)
        rows.set_epoch(rows.epoch + 1)


def _ours(pixels: Tensor, batches: int, batch: int) -> Callable[[], float]:
    source = _fed(pixels, batch)

    def run() -> float:
        start = time.perf_counter()
        for _ in islice(source, batches):
            pass
        return (time.perf_counter() - start) / batches

    return run


def _usual(pixels: Tensor, batches: int, batch: int, workers: int) -> Callable[[], float]:
    dataset = Pictures(pixels)
    sampler = RandomSampler(dataset, num_samples=batches * batch)
    source = DataLoader(dataset, batch, sampler=sampler, num_workers=workers, persistent_workers=workers > 0)

    def run() -> float:
        start = time.perf_counter()
        for _ in source:
            pass
        return (time.perf_counter() - start) / batches

    return run


def _step(ready: Tensor, steps: int) -> Callable[[], float]:
    net = models.build("fernet", num_classes=8).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    targets = torch.randn(len(ready), 8).softmax(1)

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(ready).float()
                loss = -(targets * logits.log_softmax(1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - start) / steps

    return run


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": median(values), "low": min(values), "high": max(values), "rounds": values}


def machine() -> dict[str, Any]:
    """Return processor, cores, threads, load and versions."""
    libraries = {name: version(name) for name in ("torchvision", "pillow")}
    return {**hardware.machine(), "threads": torch.get_num_threads(), **libraries}


def show(output: Output, figures: dict[str, Any], computer: dict[str, Any], what: str) -> None:
    """Print the times, in at most 80 columns."""
    setting, rates = figures["setting"], figures["rates"]
    batch = setting["batch"]
    output.text(f"{computer['processor']}, {computer['cores']} cores, {computer['threads']} threads")
    versions = ", ".join(f"{name} {computer[name]}" for name in ("python", "torch", "torchvision", "pillow"))
    output.text(versions + (f"; load {computer['load']}" if computer["load"] is not None else ""))
    output.text(f"{what}; batches of {batch}, on the CPU")
    output.text("")
    table = Table(box=None, pad_edge=False)
    table.add_column("median (lowest–highest)", no_wrap=True)
    for heading in (f"ms for {batch}", "pictures/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("our data path", _spread(figures["ours"], ".1f"), _spread(rates["ours"], ",.0f"))
    name = f"PIL + torchvision, {setting['workers']} worker(s)"
    table.add_row(name, _spread(figures["usual"], ".1f"), _spread(rates["usual"], ",.0f"))
    table.add_row("fernet's step, data ready", _spread(figures["step"], ".1f"), "")
    if not output.as_json:
        output.console.print(table)
    output.text("")
    ratio, share = figures["ratio"], figures["share"]
    output.text(
        f"ratio  {_spread(ratio, '.1f')} times the pictures per second; "
        f"wanted ≥ {RATIO:g}: {'yes' if ratio['median'] >= RATIO else 'no'}"
    )
    output.text(
        f"share  {_spread(share, '.1%')} of a whole step (data and net); "
        f"wanted < {SHARE:.0%}: {'yes' if share['median'] < SHARE else 'no'}"
    )
    output.text("")
    rounds = "{repetitions} rounds, each of {batches} batches and {steps} steps in turn".format(**setting)
    for line in (
        "Our path: uint8 rows out of memory, augmented as one batch with the default",
        "Augmentation, normalised. The usual path: the same kinds of change in",
        "torchvision.transforms (flip, affine, jitter, normalise, erase), a picture at",
        "a time, from pixels in memory: reading and decoding files would come on top.",
        "The step: forward, backward and SGD in bfloat16, channels last.",
        f"{rounds}, after one that is not counted.",
    ):
        output.text(line)


def _spread(summary: dict[str, Any], form: str) -> str:
    return f"{summary['median']:{form}} ({summary['low']:{form}}–{summary['high']:{form}})"


def _pictures(data: Path | None) -> tuple[Tensor, str]:
    if data is None:
        from training.data import drawn

        return torch.from_numpy(drawn.faces(2048, 0)[0])[:, None], "2,048 drawn faces"
    from training.data import fer2013
    from training.data.faces import TRAINING

    faces = fer2013.read_faces(data).of(TRAINING)
    return faces.pixels, f"{len(faces):,} Training pictures of FER2013"


@click.command("bench", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path), help="Folder with FER2013. Otherwise faces are drawn.")
@click.option("--repetitions", type=click.IntRange(1), default=5, show_default=True, help="Rounds.")
@command
def main(output: Output, data: Path | None, repetitions: int) -> None:
    """Time our data path, the usual one with PIL, torchvision and workers, and a training step.

    \b
    Examples:
      python -m training.bench
      python -m training.bench --data ../shared/data
      python -m training.bench --json
    """
    with output.working("reading the pictures"):
        pixels, what = _pictures(data)
    computer = machine()
    with output.working("timing, about a minute"):
        figures = time_data_paths(pixels, repetitions=repetitions)
    output.add(machine=computer, data=what, **figures)
    show(output, figures, computer, what)


if __name__ == "__main__":
    main(prog_name="python -m training.bench")
