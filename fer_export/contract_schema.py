"""Print the contract's JSON schema: `python -m fer_export.contract_schema`.

The page's `contract.ts` is generated from it. It describes contracts as they are written: every field is there.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema

from fer_export.contract import Contract


class _Schema(GenerateJsonSchema):
    """Pydantic's schema without what only makes noise in the types that are generated from it."""

    schema_dialect = "http://json-schema.org/draft-07/schema#"

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave fields without titles: they repeat the names."""
        return False

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        """Write tuples as draft 7 has them, since what makes TypeScript of it knows no later draft."""
        found = super().tuple_schema(schema)
        if "prefixItems" in found:
            found["items"] = found.pop("prefixItems")
        return found

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """Generate the schema, and name its dialect."""
        return {"$schema": self.schema_dialect, **super().generate(schema, mode)}

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Say nothing of fields that are not listed: a schema allows them as it is."""
        found = super().model_schema(schema)
        found.pop("additionalProperties", None)
        return found


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 7) of a written contract."""
    return Contract.model_json_schema(mode="serialization", schema_generator=_Schema)


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
