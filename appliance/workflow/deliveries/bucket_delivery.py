"""A delivery to a bucket: which one, where in it, in which formats, and how many of them stay."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from appliance.documents.model import StrictModel, describe, wrong
from appliance.documents.named_types import ConnectionName
from appliance.exports.manifest import Format

PLACEHOLDERS = ("workflow", "date", "run")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9!_.*'()=/-]*")
"""What every store takes in an object's name without quoting."""


class BucketDelivery(StrictModel):
    """The verified tables as objects in a bucket, complete once their manifest is there."""

    connection: ConnectionName = Field(
        description="The connection of the bucket, of type s3, gcs or azure.", examples=["lake"]
    )
    prefix: str = Field(
        default="{workflow}/",
        max_length=500,
        description=(
            "What names of objects begin with: {workflow}, {date} (of the run's start, in the workflow's"
            " time zone) and {run} are filled in. Without {run}, a folder of that name follows."
        ),
        examples=["shop/{date}/"],
    )
    formats: tuple[Format, ...] = Field(
        min_length=1,
        description=(
            "csv, jsonl, parquet, archive. One that a `files` delivery has too is the same files; any other"
            " has all tables."
        ),
        examples=[["parquet", "archive"]],
    )
    keep: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=100_000,
        description=(
            "How many of this workflow's deliveries stay there; older ones are deleted after a new one."
            " Left out: all."
        ),
        examples=[14],
    )
    build_in: ConnectionName | None = Field(
        default=None,
        description=(
            "Without a twin: the connection on whose server a database is built, verified, read for the files"
            " and dropped again."
        ),
        examples=["scratch"],
    )

    @field_validator("prefix")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        for name in _PLACEHOLDER.findall(value):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
                raise wrong(f"has {{{name[:40]}}}, which nothing fills in", f"of these: {known}")
        plain = _PLACEHOLDER.sub("x", value)
        if not _PLAIN.fullmatch(plain):
            raise wrong(f"{describe(value)} is no prefix of names", "letters, digits, / - _ . and = only")
        parts = plain.rstrip("/").split("/")
        if plain and any(part in ("", ".", "..") for part in parts):
            raise wrong(f"{describe(value)} has an empty part, or one of dots", "shop/{date}/, for example")
        return value

    @field_validator("formats")
    @classmethod
    def _each_once(cls, value: tuple[Format, ...]) -> tuple[Format, ...]:
        if len(set(value)) != len(value):
            raise wrong("names a format twice", "each format once")
        return value

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}

    def folder(self, workflow: str, run: str, begun: datetime, timezone: str) -> str:
        """Where the run's objects lie: no slash at the start, one at the end."""
        date = f"{begun.astimezone(ZoneInfo(timezone)):%Y-%m-%d}"
        written = self.prefix if "{run}" in self.prefix else f"{_ended(self.prefix)}{{run}}"
        filled = written.replace("{workflow}", workflow).replace("{date}", date).replace("{run}", run)
        return _ended(filled)

    def root(self, workflow: str) -> str:
        """Below which all of the workflow's deliveries lie: whole folders, before what changes by run."""
        before = re.split(r"\{(?:date|run)\}", self.prefix.replace("{workflow}", workflow))
        return before[0].rpartition("/")[0] + "/" if "/" in before[0] else ""


def _ended(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
