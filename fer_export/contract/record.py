"""This module holds the base class of all records in a contract, and the number types that they share."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: The largest whole number that every JSON reader holds exactly, JavaScript's included: 2^53 - 1.
LARGEST_INTEGER = 2**53 - 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: A height, a width or another size of an input.
Size = Annotated[int, Field(ge=1, le=4096)]

_T = TypeVar("_T")


def exact(value: _T) -> _T:
    """Refuse integers that JSON readers do not agree on, alone or in a tuple, and return anything else as it is."""
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, int) and abs(part) > LARGEST_INTEGER:
            raise ValueError(f"{part} is beyond 2^53 - 1, up to which JSON readers hold integers exactly")
    return value


#: A whole number that JSON readers agree on (RFC 7493, section 2.2).
Integer = Annotated[int, AfterValidator(exact)]


class Record(BaseModel):
    """Hold one frozen record; fields that it does not know are kept and written back.

    Unknown fields come from a later version, which may add fields without raising the contract's `version`. In this
    project's own calls, mypy refuses an unknown name (`init_forbid_extra`), and so does `but`.
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", allow_inf_nan=False, json_schema_serialization_defaults_required=True
    )

    def but(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed.

        Raises:
            TypeError: there is no field of that name.
            ValidationError: a value is not valid.
        """
        unknown = sorted(set(changes) - set(type(self).model_fields))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(unknown)}")
        return type(self).model_validate({**dict(self), **changes})
