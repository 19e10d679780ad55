"""A recipe: everything a training run is told, from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_export.errors import InvalidInputError
from training.augment import Augmentation

FOLDER = Path(__file__).parent / "recipes"


class Recipe(BaseModel):
    """See `training/recipes/*.yaml`.

    Attributes:
        data: which loader in `training/data/sources.py`.
        learning_rate: the peak; cosine to zero after `warmup` epochs of a linear rise.
        weight_decay: on weights of two and more dimensions; never on biases and norms.
        ema: decay of the moving average that is validated and kept; 0 for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    arguments: dict[str, Any] = {}
    data: Literal["ferplus", "drawn"]
    epochs: int = Field(ge=1)
    batch: int = Field(128, ge=2)
    learning_rate: float = Field(0.1, gt=0)
    warmup: float = Field(2, ge=0)
    momentum: float = 0.9
    weight_decay: float = Field(5e-4, ge=0)
    smoothing: float = Field(0.0, ge=0, lt=1)
    ema: float = Field(0.999, ge=0, lt=1)
    seed: int = 0
    augmentation: Augmentation = Augmentation()


def read(name: str, **changes: Any) -> Recipe:
    """A packaged recipe by name, or one by the path of its YAML file; `changes` replace fields.

    Raises:
        InvalidInputError: no such recipe, or one with a field that does not hold.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.yaml")))
        raise InvalidInputError(f"no recipe {name}", hint=f"known: {known}")
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
        return Recipe.model_validate({"name": path.stem, **values, **changes})
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise InvalidInputError(f"{path}: {error}") from error
