"""This module names the missing package, and the extra that installs it, when training needs more than `make demo`."""

from __future__ import annotations

from importlib.util import find_spec

from fer_export.errors import MissingDependencyError

#: Extra in pyproject.toml → the modules that training imports of its packages.
EXTRAS = {
    "train": ("jinja2", "lightning", "matplotlib", "optuna", "tensorboard", "torchmetrics", "yaml"),
    "collect": ("requests", "selenium", "urllib3"),
    "dev": ("pandas",),
}
#: Our own packages: a module of theirs that cannot be found is a bug, not a missing package.
_OURS = ("training", "fer_export")


def as_missing_dependency(error: ModuleNotFoundError) -> MissingDependencyError | None:
    """Return the one-line error for a module that was not found; None where the module is one of our own.

    Some packages (Lightning, for TensorBoard) raise without naming the module. Then the first module of `EXTRAS`
    that is not there is named.
    """
    name = (error.name or "").partition(".")[0]
    if name in _OURS:
        return None
    if not name:
        name = next((module for modules in EXTRAS.values() for module in modules if not _installed(module)), "")
    # A module that is not in the table comes with one of the packages of the extra "train".
    extra = next((extra for extra, modules in EXTRAS.items() if name in modules), "train")
    what = f"{name} is not installed" if name else f"a package is not installed ({error})"
    return MissingDependencyError(f"{what}: pip install -e '.[{extra}]'")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
