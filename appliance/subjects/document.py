"""``subjects.yaml``: who a subject is, which rows are about one, and what becomes of them in the source.

It is the customer's own and lies beside ``policy.yaml``. In copies every such row is removed, whatever is to
happen to it in the source: a duty to keep an invoice is no reason to keep its copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from appliance.documents import strict_yaml
from appliance.documents.model import StrictModel, validate, wrong
from appliance.documents.named_types import ConnectionName, named, shape
from appliance.errors import WrongRequestError
from appliance.workflow.document_types import SubjectName

_TABLE = r"[^.\x00-\x1f]+\.[^.\x00-\x1f]+"
_COLUMN = rf"{_TABLE}\.[^.\x00-\x1f]+"

TableName = Annotated[str, named(_TABLE, "a table, schema.table, without a pattern"), shape(_TABLE)]
ColumnName = Annotated[
    str, named(_COLUMN, "a column, schema.table.column, without a pattern"), shape(_COLUMN)
]
_COLUMN_OF = Annotated[str, Field(min_length=1, max_length=63)]


class RowsAbout(StrictModel):
    """Rows of a table that are about a subject. Written as ``delete``, or as a mapping."""

    via: dict[_COLUMN_OF, ColumnName] = Field(
        default_factory=dict,
        description=(
            "How they are found: a column, and the column of a listed table whose value it holds. Several are"
            " alternatives. Left out: through every foreign key that leads to a listed table."
        ),
        examples=[{"email": "public.customer.email"}],
    )
    do: Literal["delete", "mask", "keep"] = Field(
        default="delete",
        description=(
            "What becomes of them in the source: delete, mask (`columns` are set to NULL, or to a neutral"
            " value), keep. In copies they are removed."
        ),
        examples=["delete"],
    )
    columns: tuple[_COLUMN_OF, ...] = Field(
        default=(), description="For mask: the columns that are emptied.", examples=[["email", "notes"]]
    )
    because: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="For keep: why the source keeps them.",
        examples=["invoices are kept for seven years"],
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The short form is a form of its own."""
        described = handler(schema)
        full = handler.resolve_ref_schema(described)
        form = dict(full)
        full.clear()
        short = {"const": "delete", "description": "They are deleted.", "examples": ["delete"]}
        full.update(description=form.pop("description"), anyOf=[short, form])
        return described

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"do": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> RowsAbout:
        if (self.do == "mask") != bool(self.columns):
            raise wrong("has columns without mask, or mask without columns", "{do: mask, columns: [email]}")
        if (self.do == "keep") != (self.because is not None):
            raise wrong("has keep without because, or because without keep", "{do: keep, because: …}")
        return self


class Subject(StrictModel):
    """One kind of subject."""

    source: ConnectionName = Field(
        description="The connection that its workflows read from.", examples=["production"]
    )
    table: TableName = Field(description="The table with one row a subject.", examples=["public.customer"])
    key: _COLUMN_OF = Field(description="The column that distinguishes subjects.", examples=["id"])
    find_by: tuple[_COLUMN_OF, ...] = Field(
        default=(), description="Other columns that a subject may be found by.", examples=[["email", "phone"]]
    )
    rows: dict[TableName, RowsAbout] = Field(
        min_length=1,
        description="Every table that holds rows about a subject, its own among them.",
        examples=[
            {
                "public.customer": "delete",
                "public.orders": "delete",
                "crm.lead": {"via": {"email": "public.customer.email"}},
            }
        ],
    )
    unlink: tuple[ColumnName, ...] = Field(
        default=(),
        description="Columns of other subjects' rows that refer to a removed row: they become NULL.",
        examples=[["public.employee.manager_id"]],
    )
    writes_with: ConnectionName | None = Field(
        default=None,
        description="The connection that may write to the source. Without one the SQL is printed.",
        examples=["production-writer"],
    )
    max_rows: int = Field(
        default=1_000,
        strict=True,
        ge=1,
        le=10_000_000,
        description="Rows of the source, or of one copy, that an erasure may remove or change at most.",
        examples=[1000],
    )
    files: Literal["rewrite", "delete"] = Field(
        default="rewrite",
        description=(
            "What becomes of delivered files with such rows: csv and jsonl are written anew without them, or"
            " the whole export is deleted. An export with an archive or Parquet is always deleted."
        ),
        examples=["rewrite"],
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Subject:
        if self.table not in self.rows:
            raise wrong(f"does not list its own table {self.table} under rows", f"{self.table}: delete")
        if self.rows[self.table].via:
            raise wrong(f"gives a way to its own table {self.table}", "the key alone finds it")
        for table, rows in self.rows.items():
            for to in rows.via.values():
                if to.rpartition(".")[0] not in self.rows:
                    raise wrong(f"leads {table} to {to}, whose table is not under rows", "a listed table")
        return self

    @property
    def finding_columns(self) -> tuple[str, ...]:
        """What a subject may be found by, the key first."""
        return tuple(dict.fromkeys([self.key, *self.find_by]))


class Subjects(StrictModel):
    """Who has rows here that may have to be erased."""

    subjects: dict[SubjectName, Subject] = Field(
        description="Kinds of subjects by name.",
        examples=[
            {
                "customer": {
                    "source": "production",
                    "table": "public.customer",
                    "key": "id",
                    "rows": {"public.customer": "delete"},
                }
            }
        ],
    )

    def named(self, name: str) -> Subject:
        """One of them. Raises WrongRequestError."""
        if name not in self.subjects:
            known = ", ".join(self.subjects) or "none"
            raise WrongRequestError(
                f"subjects.yaml has no subject '{name}'.", f"It has: {known}.", "Name one of them."
            )
        return self.subjects[name]


def load_subjects(path: Path) -> Subjects:
    """Read the document. Raises WrongDocumentError with every problem at once."""
    return validate(Subjects, strict_yaml.read(path))
