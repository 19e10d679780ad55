"""This module holds the contract's record: its fields, the rules between them, reading and writing."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, computed_field, model_validator
from pydantic_core import from_json

from fer_export.contract import canonical, migration
from fer_export.contract.inputs import Input, PictureInput
from fer_export.contract.record import Record, Sha256
from fer_export.contract.records import (
    Architecture,
    Calibration,
    Cascade,
    Conversion,
    Converter,
    Crop,
    Golden,
    Hop,
    Metric,
    Output,
    Parity,
    Training,
)
from fer_export.contract.tolerance import TOLERANCES, Tolerance, WeightsDType
from fer_export.errors import ContractError

VERSION = 2
#: Outputs with one value for each label; any other output holds something else that the net computes.
BY_LABEL = ("probabilities", "logits")

#: `dynamic`, or the one number of rows that an artefact takes.
BatchSize = Literal["dynamic"] | Annotated[int, Field(ge=1)]


class Contract(Record):
    """Hold everything an artefact says about itself.

    Attributes:
        version: raised when a field changes its meaning; a new field does not raise it.
        labels: the classes' names; empty where the net is no classifier.
        inputs: the inputs in the order of the net's arguments.
        batch: the batch that this file takes; a checkpoint's is always dynamic.
        crop: how a face gets onto the first input's grid; None where that is not a picture of a face.
        cascade: the detector's settings; only its three nets have them.
        training: where the weights come from; None for weights that somebody else trained.
        weights_sha256: the hash of the tensors of the original checkpoint (`formats/checkpoint.py`).
        weights_dtype: the type in which this file stores the weights.
        graph_sha256: the hash of the graph in this file; None in checkpoints.
        conversion: how this file was made; None in checkpoints.
        tolerance: the tolerance that this file was checked against.
        tools: name and version of the programs that took part, for people to read; no code depends on it.
        golden: pictures with torch's outputs, where the net has one input and that is a picture.
        parity: what was measured when this file was written.
    """

    version: Literal[2] = 2
    architecture: Architecture
    labels: tuple[str, ...] = ()
    inputs: Annotated[tuple[Input, ...], Field(min_length=1)]
    batch: BatchSize = "dynamic"
    crop: Crop | None = None
    cascade: Cascade | None = None
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)]
    training: Training | None = None
    metrics: tuple[Metric, ...] = ()
    calibration: Calibration | None = None
    license: str
    weights_sha256: Sha256
    weights_dtype: WeightsDType = "float32"
    graph_sha256: Sha256 | None = None
    conversion: Conversion | None = None
    tolerance: Tolerance = TOLERANCES["float32"]
    tools: dict[str, str] = Field(default_factory=dict)
    golden: tuple[Golden, ...] = ()
    parity: tuple[Parity, ...] = ()

    @computed_field(repr=False)  # type: ignore[prop-decorator]
    @property
    def sha256(self) -> Sha256:
        """Hash all other fields; see `contract/canonical.py`."""
        return canonical.sha256(self.model_dump(mode="json", exclude={canonical.FIELD}))

    @model_validator(mode="before")
    @classmethod
    def _by_weights(cls, record: Any) -> Any:
        """Take the tolerance from the table where none is given."""
        if not isinstance(record, Mapping) or "tolerance" in record:
            return record
        return {**record, "tolerance": _tolerance(record.get("weights_dtype", "float32"))}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("labels", self.labels)
        _unique("names of inputs and outputs", [entry.name for entry in (*self.inputs, *self.outputs)])
        first = self.inputs[0]
        if self.crop and not (first.kind == "picture" and first.coloured):
            found = first.color if first.kind == "picture" else "values"
            raise ValueError(f"a crop gives gray, RGB or BGR, and the first input takes {found}")
        self._agree_on_labels()
        if self.golden:
            self._agree_on_golden()
        return self

    def _agree_on_labels(self) -> None:
        if not self.labels:
            return
        labelled = [output for output in self.outputs if output.name in BY_LABEL]
        if not labelled:
            raise ValueError(f"there are {len(self.labels)} labels, and no output {' or '.join(BY_LABEL)}")
        for output in labelled:
            if output.shape != (len(self.labels),):
                raise ValueError(
                    f"output {output.name} has shape {list(output.shape)}, and there are {len(self.labels)} labels"
                )

    def _agree_on_golden(self) -> None:
        first = self.inputs[0]
        if len(self.inputs) > 1 or first.kind != "picture":
            raise ValueError("golden pictures are for a net whose one input is a picture")
        for golden in self.golden:
            wanted = golden.height * golden.width * first.channels
            if len(base64.b64decode(golden.pixels)) != wanted:
                raise ValueError(f"golden picture {golden.name} is not {wanted} bytes")

    @property
    def picture(self) -> PictureInput:
        """Return the first input, for code that needs a picture.

        Raises:
            ContractError: the first input is not a picture.
        """
        first = self.inputs[0]
        if first.kind != "picture":
            raise ContractError(f"the net {self.architecture.name} takes {first.name}, which is no picture")
        return first

    @property
    def fixed_batch(self) -> int | None:
        """Return the batch that this file is fixed to; None where it is dynamic."""
        return None if self.batch == "dynamic" else self.batch

    @property
    def converter(self) -> Converter | None:
        """Return the converter that made the TensorFlow graph from ONNX; None where there is no such graph."""
        return self.conversion.converter if self.conversion else None

    def but(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed; weights of another type come with that type's tolerance.

        Raises:
            TypeError, ValidationError: as for any record.
        """
        if "weights_dtype" in changes and "tolerance" not in changes:
            changes["tolerance"] = _tolerance(changes["weights_dtype"])
        return super().but(**changes)

    def to_object(self) -> dict[str, Any]:
        """Return the contract as JSON's own types, with its hash.

        Raises:
            ContractError: a field of a later version holds a value that JSON readers would not agree on.
        """
        try:
            return self.model_dump(mode="json")
        except ValueError as error:
            raise ContractError(f"the contract cannot be written: {error}") from error

    def to_json(self) -> str:
        """Return the contract as JSON, with the keys in the order of the fields; equal records give equal bytes.

        Raises:
            ContractError: the same as for `to_object`.
        """
        return json.dumps(self.to_object(), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(
        cls, text: str | bytes, *, where: str, hop: Hop | None = None, batch: BatchSize | None = None
    ) -> Contract:
        """Read and validate a contract of this version or an earlier one.

        Args:
            text: the contract's JSON.
            where: the place that it was read from, for the error.
            hop: the hop that writes this kind of file; None for checkpoints. Contract 1 did not record it.
            batch: the batch of the graph in the same file, where the reader knows it.

        Raises:
            ContractError: the text is not JSON, is newer, was edited after it was written, or has an invalid field.
        """
        try:
            record = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise ContractError(f"{where}: the contract is not JSON: {error}") from error
        return cls.from_object(record, where=where, hop=hop, batch=batch)

    @classmethod
    def from_object(
        cls, record: Any, *, where: str, hop: Hop | None = None, batch: BatchSize | None = None
    ) -> Contract:
        """Read and validate a contract of already parsed JSON. Arguments and errors are those of `from_json`."""
        found = _version(record, where)
        if found == VERSION:
            _check_hash(record, where)
        else:
            record = migration.migrate(record, where=where, hop=hop, batch=batch)
        try:
            contract = cls.model_validate({name: value for name, value in record.items() if name != canonical.FIELD})
        except ValidationError as error:
            raise ContractError(f"{where}: the contract is not valid: {_reason(error)}") from error
        if batch is not None and contract.batch != batch:
            raise ContractError(f"{where}: the batch of the graph is {batch}, the contract says {contract.batch}")
        return contract


def _tolerance(dtype: Any) -> Tolerance:
    """Look a tolerance up; a type that is not in the table is for validation to refuse."""
    return TOLERANCES.get(dtype, TOLERANCES["float32"])


def _version(record: Any, where: str) -> int:
    """Read the version before anything else, since a later version may have other fields."""
    found = record.get("version") if isinstance(record, Mapping) else None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ContractError(f"{where}: the contract is not valid: version: it is not a whole number of 1 or more")
    if found > VERSION:
        raise ContractError(
            f"{where}: written by a newer fer-export (contract {found}): update",
            hint="pip install --upgrade fer-export",
        )
    return found


def _check_hash(record: Mapping[str, Any], where: str) -> None:
    """Compare the text, as parsed and before defaults are filled in, with its hash."""
    try:
        computed = canonical.sha256(record)
    except ValueError as error:
        raise ContractError(f"{where}: the contract is not valid: {error}") from error
    if record.get(canonical.FIELD) != computed:
        raise ContractError(f"{where}: the contract was edited after it was written", hint="export the model again")


def _unique(what: str, names: Any) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{what} repeat: {', '.join(repeated)}")


def _reason(error: ValidationError) -> str:
    """Return the first of a validation's errors: the field and the reason."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "contract"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
