"""This module runs the plan: teachers one after the other, then all students together, each for its share of the time.

The students learn from the mean answer of all teachers to the very view that they see, mixup included (Beyer et al.
2022, https://arxiv.org/abs/2106.05237), and of the labels a tenth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import seed_everything
from torch import Tensor, nn

from fer_export.contract import Normalization
from fer_export.errors import InvalidInputError
from fer_export.formats.checkpoint import load_checkpoint
from fer_export.formats.packaged import named
from fer_export.models.classifier import Normalize
from training.data import sources
from training.device import device_named
from training.fit.errors import DivergedError, InterruptedRunError
from training.fit.initial_net import initial_net
from training.fit.multi_head import heads, targets
from training.fit.online_teachers import OnlineTeachers
from training.fit.teachers import Teacher, answers, teacher_of
from training.plan.nets import STUDENTS, TEACHERS, TEACHERS_SHARE, Net
from training.plan.training import Trained, check, train
from training.plan.written import LOG, Log, write_net
from training.provenance import environment
from training.recipe import Recipe, read_recipe
from training.weights.shorten import shorten

#: Seconds at the end for checking and writing the students, and the largest share of all that they may be.
_LAST, _LAST_SHARE = 12.0, 0.1
#: The packaged nets that a shortened student starts from, one for each head.
_PACKAGED = ("ferplus", "fer2013")
#: The factor on the rate of a second try, after a loss that was not finite.
_CAREFUL = 0.3
#: With `tiny`: pictures on each side, and in a batch.
_FEW, _SMALL = 32, 4


@dataclass(frozen=True)
class Plan:
    """Hold what the plan is told.

    Attributes:
        data: folder of picture sheets, or of FER2013 with FER+ votes.
        out: folder to write into; it must not hold a plan yet.
        seconds: how long all of it may take, reading the data included.
        tiny: few pictures in small batches, so that every line runs on a CPU; the figures mean nothing then.
        pack: one zip for each net, and only some of the teachers, for where few files come back.
        device: as in `training.device.device_named`.
        changes: changed settings of both recipes, as for `--set`.
        teachers, students: the nets.
        say: prints a line of the log.
    """

    data: Path
    out: Path
    seconds: float = 520.0
    tiny: bool = False
    pack: bool = False
    device: str = "auto"
    changes: Sequence[str] = ()
    teachers: Sequence[Net] = TEACHERS
    students: Sequence[Net] = STUDENTS
    say: Callable[[str], object] = field(default=print)


def run(plan: Plan) -> Log:
    """Train, check and write all nets of a plan.

    Nothing is trained beyond the plan's seconds. A net whose loss is not finite is tried again with a smaller rate;
    where that does not help either, the plan goes on without it.

    Raises:
        InvalidInputError: the data is invalid, or the folder already holds a plan.
        InterruptedRunError: Ctrl-C; the nets that are finished are kept.
    """
    running = _Running(plan)
    try:
        return running.all()
    except KeyboardInterrupt:
        done = sum("file" in row for row in running.log.rows)
        raise InterruptedRunError(
            f"stopped; {done} finished net(s) are in {plan.out}", "the same command with another -o"
        ) from None


class _Running:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.began = plan, time.monotonic()
        if (plan.out / LOG).exists():
            raise InvalidInputError(f"{plan.out} already holds a plan", hint="another -o")
        self.device = device_named(plan.device)
        small = [f"stages.0.batch={_SMALL}"] if plan.tiny else []
        self.recipes = {
            role: read_recipe(f"gpu_{role}", changes=[*small, *plan.changes]) for role in ("teacher", "student")
        }
        self.split = sources.load_split(self.recipes["teacher"].data, {"main": plan.data})
        if plan.tiny:
            self.split = sources.limited(self.split, _FEW)
        self.log = Log(plan.out, plan.say)
        self.end = self.began + plan.seconds - min(_LAST, _LAST_SHARE * plan.seconds)

    def all(self) -> Log:
        """Train everything, in the order of the plan."""
        self.log.line(
            {
                "begun": environment(),
                "device": str(self.device),
                "pictures": len(self.split.train),
                "checked": len(self.split.check),
                "loaded_s": round(time.monotonic() - self.began, 1),
            }
        )
        teachers = [made for made in map(self._teacher, range(len(self.plan.teachers))) if made]
        if len(teachers) > 1:
            self.log.net({"net": "teachers together", "role": "teachers", **_shown(self._together(teachers))})
        self._students(teachers)
        self.log.line({"ended_s": round(time.monotonic() - self.began, 1)})
        return self.log

    def _seconds(self, mine: float, later: Iterable[float]) -> float:
        """Return the time of one part: its share of what is left for it and for all that comes later."""
        return max(0.1, (self.end - time.monotonic()) * mine / (mine + sum(later)))

    def _teacher(self, index: int) -> Teacher | None:
        each = [TEACHERS_SHARE * net.share for net in self.plan.teachers]
        net = self.plan.teachers[index]
        recipe = _recipe_of(self.recipes["teacher"], net)
        seconds = self._seconds(each[index], [*each[index + 1 :], self._left])
        done = self._train(recipe, lambda: {net.name: self._start(recipe, net)[0]}, seconds)
        if done is None:
            return None
        self._finish("teacher", net, recipe, done, "")
        return teacher_of(done.nets[net.name], recipe, self.split.train, {"net": net.name}).to(self.device)

    @property
    def _left(self) -> float:
        """Return the weight of the students' time beside the teachers'."""
        return (1 - TEACHERS_SHARE) * sum(net.share for net in self.plan.teachers)

    def _students(self, teachers: Sequence[Teacher]) -> None:
        recipe = self.recipes["student"]
        recipes = {net.name: _recipe_of(recipe, net) for net in self.plan.students}
        notes = {net.name: self._start(recipes[net.name], net)[1] for net in self.plan.students}

        def start() -> dict[str, nn.Module]:
            return {net.name: self._start(recipes[net.name], net)[0] for net in self.plan.students}

        train_rows = self.split.train
        widths = [len(train_rows.labels), *([len(train_rows.other.labels)] if train_rows.other else [])]
        (stage,) = recipe.stages
        taught = (
            OnlineTeachers(teachers, widths, stage.taught, mirrored=stage.online == "mirrored") if teachers else None
        )
        done = self._train(recipe, start, self._seconds(1, []), taught)
        if done is None:
            return
        said = f"taught in every step by {', '.join(str(one.about['net']) for one in teachers)}; " if teachers else ""
        for net in self.plan.students:
            self._finish("student", net, recipes[net.name], done, notes[net.name] + said)

    def _start(self, recipe: Recipe, net: Net) -> tuple[nn.Module, str]:
        """Return a net before its training, and a sentence on its weights."""
        seed_everything(net.seed, verbose=False)
        init = [shorten(load_checkpoint(named(name)), net.short) for name in _PACKAGED] if net.short else []
        return initial_net(recipe, self.split, targets(self.split.train).shape[1], init=init)

    def _train(
        self,
        recipe: Recipe,
        start: Callable[[], Mapping[str, nn.Module]],
        seconds: float,
        taught: OnlineTeachers | None = None,
    ) -> Trained | None:
        """Train nets for a time; None where their losses were not finite, which the log then says.

        They are tried once more, with a smaller rate, where at least half of the time is left.
        """
        end = time.monotonic() + seconds
        (stage,) = recipe.stages
        for factor in (1.0, _CAREFUL):
            slower = stage.optimizer.model_copy(update={"learning_rate": stage.optimizer.learning_rate * factor})
            tried = recipe.model_copy(update={"stages": (stage.model_copy(update={"optimizer": slower}),)})
            left = end - time.monotonic()
            if left < seconds / 2:
                break
            nets = start()
            try:
                return train(tried, nets, self.split, left, self.device, taught)
            except DivergedError as error:
                rate = slower.learning_rate
                self.log.line({"nets": list(nets), "learning_rate": rate, "error": error.reason})
        return None

    def _finish(self, role: str, net: Net, recipe: Recipe, done: Trained, note: str) -> None:
        """Check and write a net."""
        whole = nn.Sequential(Normalize(Normalization(mean=(recipe.mean,), std=(recipe.std,))), done.nets[net.name])
        figures = check(whole.to(self.device), recipe, done.heads, self.split, self.device)
        row: dict[str, Any] = {
            "net": net.name,
            "role": role,
            "epochs": round(done.epochs, 1),
            "pictures_s": round(done.rate),
            "seconds": round(time.monotonic() - self.began, 1),
            **_shown(figures),
        }
        if net.packed or not self.plan.pack:
            (stage,) = recipe.stages
            epochs = max(1, round(done.epochs))
            kept = recipe.model_copy(update={"stages": (stage.model_copy(update={"epochs": epochs}),)})
            written = write_net(
                self.plan.out / net.name,
                done.nets[net.name],
                kept,
                self.split,
                done.heads,
                figures,
                note=f"{note}{done.epochs:.1f} epochs",
                pack=self.plan.pack,
                whole_alone=self.plan.pack and role == "teacher",
            )
            row["file"] = written.name
        self.log.net(row)

    def _together(self, teachers: Sequence[Teacher]) -> dict[str, float]:
        """Return the figures of the teachers' mean answer."""
        recipe = self.recipes["teacher"]
        (stage,) = recipe.stages
        both = heads(recipe.data_of(stage), stage, self.split.train)
        return check(_Mean(teachers), recipe, both, self.split, self.device)


class _Mean(nn.Module):
    """Answer with the mean probabilities of several teachers, which serve as logits where only their order counts."""

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        super().__init__()
        self.teachers = teachers

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures in 0–255, [N, 1, H, W], to probabilities [N, classes of all sets]."""
        return answers(self.teachers, pictures)


def _recipe_of(recipe: Recipe, net: Net) -> Recipe:
    """Return the recipe with the net's own name, architecture and seed."""
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}: {net.name}",
            "architecture": net.architecture,
            "arguments": dict(net.arguments),
            "seed": net.seed,
        }
    )


def _shown(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures in per cent, macro-F1 in shares, by the names of the table."""
    names = {"ferplus": "", "fer2013": "fer2013_"}
    accuracies = {shown: round(100 * figures[f"{prefix}accuracy"], 2) for shown, prefix in names.items()}
    return accuracies | {f"{shown}_f1": round(figures[f"{prefix}macro_f1"], 4) for shown, prefix in names.items()}
