"""The deliveries of a workflow: where its result goes."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from appliance.documents.model import StrictModel, wrong
from appliance.documents.named_types import ConnectionName
from appliance.exports.manifest import Format
from appliance.workflow.deliveries.bucket_delivery import BucketDelivery
from appliance.workflow.deliveries.container_delivery import ContainerDelivery
from appliance.workflow.table_selection import TableSelection

DELIVERY_KINDS = ("twin", "files", "bucket", "container")
"""What this release can deliver."""

ROWS_PER_FILE = 2_000_000
"""Of a Parquet file, where a workflow does not say."""


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
    expires_days: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=36_500,
        description="Days after which the copy is dropped, also as the former twin. Left out: never.",
        examples=[30],
    )
    golden: bool | None = Field(
        default=None,
        strict=True,
        description=(
            "Whether a copy of what was proven is kept beside the twin, for branches to be made from. Left"
            " out: where the target's disk clones files, so that it takes neither time nor space."
        ),
        examples=[True],
    )

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in serialize(self).items() if key != "golden" or value is not None}


class FilesDelivery(StrictModel):
    """The verified tables as files on the appliance, in one format."""

    format: Format = Field(
        description=(
            "csv with a line of column names, or jsonl: one JSON object a line, both gzipped, one file a"
            " table; parquet, one or more files a table; or archive: the whole database for pg_restore."
        ),
        examples=["parquet"],
    )
    tables: TableSelection | None = Field(
        default=None,
        description=(
            "Deliver these of the workflow's tables only. A partitioned table goes by its own name. Left out:"
            " all."
        ),
        examples=[{"include": ["public.invoice", "crm.*"]}],
    )
    layout: Literal["file", "folder"] | None = Field(
        default=None,
        description=(
            "Of an archive: one file, or a folder, which several processes write at a time. Left out: file."
        ),
        examples=["folder"],
    )
    rows_per_file: int | None = Field(
        default=None,
        strict=True,
        ge=10_000,
        le=1_000_000_000,
        description=f"Of parquet: a larger table becomes several files. Left out: {ROWS_PER_FILE}.",
        examples=[1_000_000],
    )
    expires_days: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=36_500,
        description="Days after which the export is deleted, if exports.max_days lets it stay so long.",
        examples=[30],
    )
    build_in: ConnectionName | None = Field(
        default=None,
        description=(
            "Without a twin: the connection on whose server a database is built, verified, read for the files"
            " and dropped again."
        ),
        examples=["scratch"],
    )

    @model_validator(mode="after")
    def _fits_its_format(self) -> FilesDelivery:
        if self.layout is not None and self.format != "archive":
            raise wrong(
                "has a layout, which only an archive has", "format: archive, or no layout", ("layout",)
            )
        if self.rows_per_file is not None and self.format != "parquet":
            raise wrong(
                "has rows_per_file, which only parquet has",
                "format: parquet, or no rows_per_file",
                ("rows_per_file",),
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in serialize(self).items() if value is not None}

    def takes(self, schema: str, table: str) -> bool:
        """Whether it delivers a table of that name."""
        return self.tables is None or self.tables.takes(schema, table)


def _one_kind(schema: JsonSchemaValue) -> None:
    """In the JSON Schema: one of the kinds, and never null."""
    for described in schema["properties"].values():
        (form,) = [each for each in described.pop("anyOf") if each != {"type": "null"}]
        described.update(form)
        described.pop("default", None)
    schema["oneOf"] = [{"required": [kind]} for kind in DELIVERY_KINDS]


class Delivery(StrictModel):
    """One place the result goes: a ``twin``, ``files``, a ``bucket``, or a ``container`` of the
    customer's own.
    """

    model_config = ConfigDict(json_schema_extra=_one_kind)

    twin: TwinDelivery | None = Field(
        default=None,
        description="Deliver a masked copy of the database.",
        examples=[{"connection": "staging"}],
    )
    files: FilesDelivery | None = Field(
        default=None,
        description="Deliver the verified tables as files on the appliance.",
        examples=[{"format": "csv"}],
    )
    bucket: BucketDelivery | None = Field(
        default=None,
        description="Deliver the verified tables as objects in a bucket.",
        examples=[{"connection": "lake", "prefix": "shop/{date}/", "formats": ["parquet"], "keep": 14}],
    )
    container: ContainerDelivery | None = Field(
        default=None,
        description="Hand the run's files, or the twin, to a container of your own.",
        examples=[{"image": "registry.internal/report:1"}],
    )

    @model_validator(mode="after")
    def _just_one_kind(self) -> Delivery:
        if len([kind for kind in DELIVERY_KINDS if getattr(self, kind) is not None]) != 1:
            raise wrong(
                "is not one delivery",
                "one of {twin: {…}}, {files: {…}}, {bucket: {…}} and {container: {…}} an entry",
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {kind: value for kind, value in serialize(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """``twin``, ``files``, ``bucket`` or ``container``."""
        return next(kind for kind in DELIVERY_KINDS if getattr(self, kind) is not None)
