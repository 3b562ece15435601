"""The deliveries of a workflow: where its result goes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from appliance.documents.model import StrictModel, wrong
from appliance.documents.named_types import ConnectionName

DELIVERY_KINDS = ("twin", "files")
"""What this release can deliver."""
LATER_DELIVERY_KINDS = ("bucket", "container")
"""Known to the design of the document but not to this release: the error says so, so nobody seeks a typo."""


class TwinDelivery(StrictModel):
    """A masked copy as a database, which replaces the former one in one step."""

    connection: ConnectionName = Field(
        description="The connection whose database becomes the twin.", examples=["staging"]
    )
    grace_s: int = Field(
        default=30,
        strict=True,
        ge=0,
        le=3_600,
        description="Seconds that sessions which hold the twin open get before they are ended for the swap.",
        examples=[30],
    )


class FilesDelivery(StrictModel):
    """The verified twin's tables as files on the appliance, gzipped, one a table."""

    format: Literal["csv", "jsonl"] = Field(
        description="csv with a line of column names, or jsonl: one JSON object a line.", examples=["csv"]
    )

    @field_validator("format", mode="before")
    @classmethod
    def _no_parquet(cls, value: Any) -> Any:
        if value == "parquet":
            # Its library would nearly double the step image.
            raise wrong("parquet is not in this release, which keeps the step image small", "csv or jsonl")
        return value


def _one_kind(schema: JsonSchemaValue) -> None:
    """In the JSON Schema: one of the two, and never null."""
    for described in schema["properties"].values():
        (form,) = [each for each in described.pop("anyOf") if each != {"type": "null"}]
        described.update(form)
        described.pop("default", None)
    schema["oneOf"] = [{"required": [kind]} for kind in DELIVERY_KINDS]


class Delivery(StrictModel):
    """One place the result goes: a ``twin``, or ``files`` beside one."""

    model_config = ConfigDict(json_schema_extra=_one_kind)

    twin: TwinDelivery | None = Field(
        default=None,
        description="Deliver a masked copy of the database.",
        examples=[{"connection": "staging"}],
    )
    files: FilesDelivery | None = Field(
        default=None,
        description="Deliver the verified twin's tables as files on the appliance.",
        examples=[{"format": "csv"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _only_known_kinds(cls, value: Any) -> Any:
        this_release = f"one of what this release delivers: {', '.join(DELIVERY_KINDS)}"
        if isinstance(value, dict):
            later = [kind for kind in value if kind in LATER_DELIVERY_KINDS]
            if later:
                raise wrong(f"deliveries of the kind `{later[0]}` are not in this release", this_release)
        return value

    @model_validator(mode="after")
    def _just_one_kind(self) -> Delivery:
        if (self.twin is None) == (self.files is None):
            raise wrong("is not one delivery", "one of {twin: {…}} and {files: {…}} an entry")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {kind: value for kind, value in serialize(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """``twin`` or ``files``."""
        return "twin" if self.twin is not None else "files"
