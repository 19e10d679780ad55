"""This module searches a recipe's settings with Optuna (Akiba et al. 2019, https://arxiv.org/abs/1907.10902)."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, Trial, TrialState

from fer_export.errors import InvalidInputError, MissingDependencyError
from fer_export.files import replacing
from fer_export.formats import checkpoint
from training.fit.errors import InterruptedRunError
from training.fit.run import Run, fit
from training.recipe import Range, Recipe, as_yaml, read_recipe

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
#: States of the trials that count against the number asked for.
COUNTED = (*ENDED, TrialState.RUNNING)
#: Seconds between a worker's heartbeats, and without one before its trial is started again.
HEARTBEAT, SILENCE = 30, 120


@dataclass(frozen=True)
class Search:
    """Hold the settings of a search.

    Attributes:
        recipe: name or file; its `search` says what may be chosen.
        folder: folder for the trials' runs, the table and the best recipe.
        storage: any Optuna storage URL; many workers share one.
        study: the search's name in the storage.
        trials: number of trials over all workers and resumed calls; pruned ones count.
        data, changes, epochs, limit: as for `fit`.
    """

    recipe: str
    folder: Path
    storage: str
    study: str
    trials: int
    data: Mapping[str, Path]
    changes: Sequence[str] = ()
    epochs: int | None = None
    limit: int = 0
    progress: bool = True


class _SurplusTrialError(Exception):
    """This exception ends a trial that is one too many because another worker started one at the same time."""


class Pruning(Callback):
    """Report each epoch's accuracy to the trial, and end it when Optuna's pruner says so."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.steps = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the accuracy of the check that just ended.

        Raises:
            optuna.TrialPruned: the pruner ends the trial.
        """
        accuracy = trainer.callback_metrics.get("accuracy")
        if accuracy is None:
            return
        self.trial.report(float(accuracy), self.steps)
        self.steps += 1
        if self.trial.should_prune():
            raise optuna.TrialPruned


def tune(search: Search) -> optuna.Study:
    """Run trials until the study has as many as asked for.

    Raises:
        InvalidInputError: the recipe has nothing to search, or the storage cannot be opened.
    """
    recipe = read_recipe(search.recipe, changes=search.changes, epochs=search.epochs)
    if not recipe.search:
        raise InvalidInputError(f"recipe {recipe.name} has no `search`", hint="python -m training recipes")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Optuna has marked heartbeats as experimental since 2021.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    search.folder.mkdir(parents=True, exist_ok=True)
    study = _study(search)

    def objective(trial: Trial) -> float:
        # Workers may see the same gap and all begin a trial. Those that are too many end before anything is trained.
        if _before(study, trial.number) >= search.trials:
            raise _SurplusTrialError
        chosen = [f"{name}={_choose(trial, name, range_)!s}" for name, range_ in recipe.search.items()]
        changed = read_recipe(search.recipe, changes=[*search.changes, *chosen], epochs=search.epochs)
        run = Run(
            folder=search.folder / f"trial-{trial.number}",
            data=search.data,
            limit=search.limit,
            progress=search.progress,
            callbacks=(Pruning(trial),),
        )
        best = fit(changed, run)
        return next(
            metric.value for metric in checkpoint.load_checkpoint(best).contract.metrics if metric.name == "accuracy"
        )

    try:
        while _left(study, search):
            study.optimize(objective, n_trials=1, catch=(_SurplusTrialError,))
    except KeyboardInterrupt:
        _write(study, search)
        raise InterruptedRunError(
            f"stopped; {_ended(study)} of {search.trials} trials are done, in {search.folder}", "the same command"
        ) from None
    _write(study, search)
    return study


def best_recipe(study: optuna.Study, search: Search) -> Recipe:
    """Return the recipe with the best trial's settings."""
    chosen = [f"{name}={value!s}" for name, value in study.best_params.items()]
    return read_recipe(search.recipe, changes=[*search.changes, *chosen], epochs=search.epochs)


def _study(search: Search) -> optuna.Study:
    try:
        storage = RDBStorage(
            search.storage,
            heartbeat_interval=HEARTBEAT,
            grace_period=SILENCE,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )
        return optuna.create_study(
            storage=storage,
            study_name=search.study,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
            sampler=optuna.samplers.TPESampler(),
        )
    except ImportError as error:
        # Optuna wraps the error for a missing database driver, which none of our extras installs, in one of its own.
        driver = error.__cause__ or error.__context__
        if not isinstance(driver, ModuleNotFoundError):
            raise
        raise MissingDependencyError(
            f"the storage {search.storage} needs {driver.name}, which is not installed: pip install {driver.name}"
        ) from error
    except Exception as error:
        raise InvalidInputError(
            f"cannot open the storage {search.storage}: {' '.join(str(error).split())[:200]}",
            hint="an SQLAlchemy URL: sqlite:///study.db, postgresql://user@host/db",
        ) from error


def _choose(trial: Trial, name: str, range_: Range) -> object:
    if range_.choices:
        return trial.suggest_categorical(name, range_.choices)
    assert range_.low is not None
    assert range_.high is not None
    if range_.whole:
        return trial.suggest_int(name, int(range_.low), int(range_.high), log=range_.log)
    return trial.suggest_float(name, range_.low, range_.high, log=range_.log)


def _left(study: optuna.Study, search: Search) -> bool:
    """Return whether another trial is to be begun.

    Trials that other workers are running count; those of dead workers do not.
    """
    optuna.storages.fail_stale_trials(study)
    return len(study.get_trials(deepcopy=False, states=COUNTED)) < search.trials


def _ended(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=ENDED))


def _before(study: optuna.Study, number: int) -> int:
    """Count the trials in a state of `COUNTED` that have a smaller number."""
    return sum(trial.number < number for trial in study.get_trials(deepcopy=False, states=COUNTED))


def _write(study: optuna.Study, search: Search) -> None:
    """Write the table of trials, and the best recipe as YAML that `fit` takes."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.params or trial.state in COUNTED]
    names = sorted({name for trial in trials for name in trial.params})
    with replacing(search.folder / "trials.csv") as temporary, temporary.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["trial", "state", "accuracy", "epochs", *names])
        writer.writerows(_row(trial, names) for trial in trials)
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        recipe = best_recipe(study, search)
        values = yaml.safe_load(as_yaml(recipe)) | {"name": f"{recipe.name}-tuned"}
        with replacing(search.folder / "best.yaml") as temporary:
            temporary.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), "utf-8")


def _row(trial: FrozenTrial, names: list[str]) -> list[object]:
    reported = list(trial.intermediate_values.values())
    value = trial.value if trial.value is not None else (reported[-1] if reported else None)
    return [trial.number, trial.state.name.lower(), value, len(reported), *(trial.params.get(name) for name in names)]
