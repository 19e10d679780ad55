"""This module reads recipes: all settings of a training run, from one YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fer_export.errors import InvalidInputError
from training.augment import Augmentation

FOLDER = Path(__file__).parent / "recipes"
#: A recipe of this name trains any torchvision classifier: `torchvision:mobilenet_v3_small`.
TORCHVISION = "torchvision"
OFF = Augmentation(flip=0, rotate=0, scale=0, shift=0, light=0, erase=0)
#: The longest YAML file that is read, in bytes.
LONGEST = 1_000_000

Share = Annotated[float, Field(ge=0, lt=1)]


class Part(BaseModel):
    """Refuse unknown fields, so that a misspelt setting is an error; all settings derive from this class."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Loss(Part):
    """Choose the loss; see `training/fit/losses.py`.

    Attributes:
        name: `nll` for nets that end in log-softmax; `embedding` for learning the embeddings of the
            pretrained RGB net with the gray one.
        smoothing: share of the target spread over all classes.
        gamma: exponent of `focal`.
        weighted: weigh each class by the inverse of its share in the training rows.
    """

    name: Literal["cross_entropy", "nll", "soft_votes", "focal", "embedding"] = "cross_entropy"
    smoothing: Share = 0.0
    gamma: float = Field(2.0, ge=0)
    weighted: bool = False


class Second(Part):
    """Add a second set of labels for the same pictures: one trunk, with a head and a checkpoint for each set.

    Attributes:
        kind, protocol: as in `Data`.
        loss: loss of the second head.
        weight: factor on that loss beside the first head's.
        translated: share of its targets that is translated from the first set
            (`training/data/translate.py`); only for the rows that are trained on.
    """

    kind: Literal["fer2013", "ferplus"]
    protocol: Literal["majority", "argmax", "soft"] = "soft"
    loss: Loss = Loss()
    weight: float = Field(1.0, gt=0)
    translated: Share = 0.0

    @model_validator(mode="after")
    def _plain(self) -> Self:
        if self.loss.weighted or self.loss.name in ("nll", "embedding"):
            raise ValueError("the second head takes cross_entropy, soft_votes or focal, not weighted")
        return self


class Data(Part):
    """Choose the pictures, and which of them choose the epoch.

    Attributes:
        kind: the reader in `training/data/`.
        source: which of the folders given by `--data NAME=FOLDER`.
        protocol: how FER+ votes become the targets that are trained on; `majority` is always what is checked.
        split: `usage` trains on Training and checks on PublicTest; `shuffled` pools the two and sets
            `share` of them aside, stratified. Folders and VOC photos without a validation part of their own
            set `share` aside by content either way.
        drop_leaks: leave out training pictures that copy a checked one: exact copies, or near ones too.
        merge: new label → the labels that become it; the contract's labels follow.
        balance: draw rows so that every class is seen equally often.
        crop: for VOC photos: by the labelled box, or aligned by MTCNN inside it.
        skip_bad: leave out invalid rows and files, with a warning, instead of stopping.
        other: a second set of labels for the same pictures.
    """

    kind: Literal["fer2013", "ferplus", "folder", "voc", "drawn"]
    source: str = "main"
    protocol: Literal["majority", "argmax", "soft"] = "soft"
    split: Literal["usage", "shuffled"] = "usage"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    drop_leaks: Literal["no", "exact", "near"] = "no"
    merge: dict[str, tuple[str, ...]] = {}
    balance: bool = False
    crop: Literal["box", "align"] = "box"
    skip_bad: bool = False
    other: Second | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.other is not None and {self.kind, self.other.kind} != {"fer2013", "ferplus"}:
            raise ValueError("only fer2013 and ferplus label the same pictures")
        if self.other is not None and self.split == "shuffled":
            raise ValueError("two sets of labels are split by usage")
        if self.kind == "ferplus" and self.split == "shuffled" and self.protocol == "soft":
            raise ValueError("a shuffled split checks by the protocol it trains on: majority or argmax, not soft")
        return self


class Optimizer(Part):
    """Choose the optimizer. Weight decay applies to weights of two and more dimensions, to all with `decay_all`."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    decay_all: bool = False
    momentum: Share = 0.9


class Schedule(Part):
    """Choose how the learning rate changes.

    Attributes:
        name: `constant`; `step`: multiplied by `factor` at each epoch of `at`; `plateau`: multiplied by `factor`
            when the checked loss has not fallen for more than `patience` epochs; `one_cycle` (Smith & Topin
            2018): up to the rate over `rise` of all steps, then down to nearly 0; `cosine` (Loshchilov &
            Hutter 2017): a linear rise over `warmup` epochs, then down to 0.
    """

    name: Literal["constant", "step", "plateau", "one_cycle", "cosine"] = "constant"
    at: tuple[int, ...] = ()
    factor: float = Field(0.1, gt=0, lt=1)
    patience: int = Field(2, ge=0)
    rise: float = Field(0.3, gt=0, lt=1)
    warmup: float = Field(0.0, ge=0)


class Stage(Part):
    """Hold the settings of one stage of training, which starts from the weights of the stage before.

    Attributes:
        data: the stage's own data; the recipe's where None.
        batch: pictures in a step, over all processes together.
        train: prefixes of the parameter names that are trained; all where empty.
        freeze: prefixes of those that are not.
        statistics: whether the batch statistics of frozen layers `rest` or `follow` the batches as the others do.
        rates: prefix → factor on the learning rate. The longest prefix that fits counts.
        clip: largest norm of the gradient; 0 for no limit.
        ema: decay of the moving average of the weights, which is checked and saved; 0 for none.
        mixup: alpha of mixup's Beta distribution (Zhang et al. 2018); 0 for none.
        stop: the stage ends after this many epochs without a better check; 0 for never.
        start: whether to start from the `best` or the `last` weights of the stage before.
        views: name of a folder, given by `--data NAME=FOLDER`, of views made by `python -m training distil`
            to train on; on the pictures themselves where empty.
        online: whether teachers, given by `fit --teacher`, answer in every step for the pictures that the net sees,
            mixup included; `mirrored` has them answer for the mirrored pictures too.
        taught: share of the teachers' answers in the targets, of views or online; the labels have the rest.
    """

    name: str = Field("fit", pattern=r"^[a-z0-9_-]+$")
    data: Data | None = None
    epochs: int = Field(ge=1)
    batch: int = Field(128, ge=2)
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    train: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    statistics: Literal["rest", "follow"] = "rest"
    rates: dict[str, Annotated[float, Field(gt=0)]] = {}
    clip: float = Field(0.0, ge=0)
    ema: Share = 0.0
    mixup: float = Field(0.0, ge=0)
    stop: int = Field(0, ge=0)
    start: Literal["best", "last"] = "best"
    views: str = ""
    online: Literal["", "plain", "mirrored"] = ""
    taught: float = Field(1.0, ge=0, le=1)
    augmentation: Augmentation = OFF

    @model_validator(mode="after")
    def _one_way_of_teaching(self) -> Self:
        if self.online and (self.views or self.loss.name == "embedding"):
            raise ValueError("online teachers go neither with stored views nor with the loss embedding")
        return self


class Range(Part):
    """Hold what `tune` may choose from: numbers between `low` and `high`, or one of `choices`."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[str | float | int | bool, ...] = ()

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("either low and high, or choices")
        return self


class Recipe(Part):
    """Hold a recipe; see `training/recipes/*.yaml`.

    Attributes:
        about: one sentence on what it reproduces.
        published: the result that its source states, with its protocol; empty where there is none.
        pretrained: weights to start from; the run stops where they cannot be downloaded.
        size: height and width of the net's input in pixels; pictures of another size are enlarged.
        mean, std: the normalisation inside the graph, in units of 0–255.
        precision: `bf16` where the device computes faster in it, else float32.
        compile: whether `torch.compile` compiles the net for training: `never`, on a GPU (`cuda`), or `always`. The
            compilation takes a minute, and on CPUs a step is slower for it.
        search: setting, written as for `--set`, → what `tune` may choose.
    """

    name: str
    about: str = ""
    published: str = ""
    architecture: str
    arguments: dict[str, int | float | str | bool | tuple[int, ...]] = {}
    pretrained: Literal["imagenet", "vggface2"] | None = None
    size: int = Field(48, ge=16, le=512)
    mean: float = 129.4
    std: float = Field(65.0, gt=0)
    data: Data
    seed: int = 0
    precision: Literal["bf16", "float32"] = "bf16"
    compile: Literal["never", "cuda", "always"] = "never"
    stages: tuple[Stage, ...] = Field(min_length=1)
    search: dict[str, Range] = {}

    @model_validator(mode="after")
    def _stages_differ(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages have the same name")
        if self.stages[-1].loss.name == "embedding":
            raise ValueError("the last stage has to train the classes")
        others = [self.data_of(stage).other for stage in self.stages]
        if len({other and other.kind for other in others}) > 1:
            raise ValueError("all stages have the same sets of labels")
        if any(others) and any(stage.loss.name in ("nll", "embedding") for stage in self.stages):
            raise ValueError("nets with two heads answer logits: no nll, no embedding")
        return self

    @property
    def second(self) -> str:
        """Return the kind of the second set of labels; "" where there is one set alone."""
        other = self.data_of(self.stages[0]).other
        return other.kind if other else ""

    def data_of(self, stage: Stage) -> Data:
        """Return the data settings of a stage: its own, or else the recipe's."""
        return stage.data or self.data


def names() -> list[str]:
    """Return the names of the packaged recipes, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def read_recipe(
    name: str, *, changes: Iterable[str] = (), epochs: int | None = None, seed: int | None = None
) -> Recipe:
    """Read a packaged recipe by name, `torchvision:NAME`, or a recipe by the path of its YAML file.

    Args:
        name: name or path.
        changes: changed settings, each a path of keys and a YAML value: "stages.0.optimizer.learning_rate=0.01".
        epochs: epochs of every stage, instead of the recipe's.
        seed: seed, instead of the recipe's.

    Raises:
        InvalidInputError: there is no such recipe, or one of its fields is invalid.
    """
    kind, _, classifier = name.partition(":")
    packaged = kind if kind == TORCHVISION else name
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{packaged}.yaml"
    if not path.is_file():
        raise InvalidInputError(f"no recipe {name}", hint=f"known: {', '.join(names())}")
    if path.stem == TORCHVISION and path.parent == FOLDER and not classifier:
        raise InvalidInputError("which torchvision classifier?", hint="--recipe torchvision:mobilenet_v3_small")
    if path.stat().st_size > LONGEST:
        raise InvalidInputError(f"{path} is too long for a recipe")
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(values, dict):
            raise InvalidInputError(f"{path}: a recipe is a mapping of settings")
        values = {"name": path.stem, **values}
        if classifier:
            values |= {"name": name.replace(":", "-"), "architecture": name}
        for change in changes:
            _set(values, change)
        for stage in values.get("stages") or [] if epochs else []:
            stage["epochs"] = epochs
        if seed is not None:
            values["seed"] = seed
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise InvalidInputError(f"{path}: {place}: {first['msg']}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _set(values: dict[str, Any], change: str) -> None:
    """Apply one change "path.of.keys=value" to the settings."""
    path, equals, text = change.partition("=")
    *parents, last = path.split(".")
    hint = "for example --set stages.0.optimizer.learning_rate=0.01"
    if not equals or not last:
        raise InvalidInputError(f"{change!r} is not SETTING=VALUE", hint=hint)
    place: Any = values
    for key in parents:
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict):
            place = place.setdefault(key, {})
        else:
            raise InvalidInputError(f"there is no setting {path}", hint=hint)
    if not isinstance(place, dict):
        raise InvalidInputError(f"there is no setting {path}", hint=hint)
    place[last] = yaml.safe_load(text)


def as_yaml(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, with its defaults."""
    values: Mapping[str, Any] = recipe.model_dump(mode="json")
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
