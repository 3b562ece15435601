"""``subjects`` of a workflow: whose rows belong together, so that one person is one person in the twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, JsonValue, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from appliance.documents.model import StrictModel, describe, wrong
from appliance.workflow.document_types import OneColumn, OneTable, SubjectName
from appliance.workflow.matching.patterns import literal_pattern, parse_pattern

NO_SUBJECT = "none"
"""What a rule says in place of a subject's name: the value alone decides."""

_SHORT: dict[str, JsonSchemaValue] = {
    "string": {"description": "The column that says whose row it is.", "examples": ["crm.lead.email"]},
    "array": {
        "description": "The columns that do, in the order of the key.",
        "examples": [["public.orders.tenant_id", "public.orders.customer_id"]],
    },
}
OwnName = Annotated[str, Field(min_length=1, max_length=63)]
_SeveralNames = Annotated[tuple[OwnName, ...], Field(min_length=1, max_length=16)]
_SeveralColumns = Annotated[tuple[OneColumn, ...], Field(min_length=1, max_length=16)]


class LinkedColumns(StrictModel):
    """Rows of another table that are a subject's. Written as a column alone, or as a mapping."""

    column: OneColumn | _SeveralColumns = Field(
        description=(
            "The column, schema.table.column, that says whose row it is; several of one table where the key"
            " has several."
        ),
        examples=["public.orders.customer_id"],
    )
    via: OwnName | None = Field(
        default=None,
        description=(
            "The column of the subject's table whose value it holds: the key, or a unique one such as an"
            " e-mail address, by which the source looks the subject up. Left out: what its foreign key or"
            " `references` says, else the column of the same name, or else the key."
        ),
        examples=["email"],
    )
    name: SubjectName | None = Field(
        default=None,
        description=(
            "What `subject` of a mask calls it, where a row has several subjects; by default the subject's"
            " name."
        ),
        examples=["sender"],
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The short forms are forms of their own: a column, and the columns of a key."""
        described = handler(schema)
        full = handler.resolve_ref_schema(described)
        form = dict(full)
        full.clear()
        column = form["properties"]["column"]
        short = [{**each, **_SHORT[each["type"]]} for each in column["anyOf"]]
        full.update(description=form.pop("description"), anyOf=[*short, form])
        return described

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _of_one_table(self) -> LinkedColumns:
        tables = {parse_pattern(each, 3).names[:2] for each in self.columns}
        if len(tables) > 1:
            raise wrong("has columns of several tables", "columns of one table, an entry for each table")
        if len(set(self.columns)) < len(self.columns):
            raise wrong("has a column twice", "each column of the key once")
        if self.via is not None and len(self.columns) > 1:
            raise wrong(
                "has several columns and `via`", "the columns of the key, in its order, without `via`"
            )
        return self

    @model_serializer(mode="plain")
    def _to_document(self) -> JsonValue:
        column: JsonValue = self.column if isinstance(self.column, str) else list(self.column)
        if self.via is None and self.name is None:
            return column
        said = {"column": column, "via": self.via, "name": self.name}
        return {key: each for key, each in said.items() if each is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, as written."""
        return (self.column,) if isinstance(self.column, str) else self.column

    @property
    def table(self) -> tuple[str, str]:
        """Schema and table of them all."""
        schema, table, _ = parse_pattern(self.columns[0], 3).names
        return schema, table

    @property
    def column_names(self) -> tuple[str, ...]:
        """Without schema and table."""
        return tuple(parse_pattern(each, 3).names[2] for each in self.columns)


class LinkedSubject(StrictModel):
    """People (or firms) with a row each in one table, and with rows in others."""

    table: OneTable = Field(description="The table with one row a subject.", examples=["public.customer"])
    key: OwnName | _SeveralNames = Field(
        description="The column, or columns, that distinguish subjects: a primary key or unique.",
        examples=["id"],
    )
    also: tuple[LinkedColumns, ...] = Field(
        default=(),
        max_length=1_000,
        description=(
            "Columns of other tables that say whose row it is: the key, or an e-mail address. Several of one"
            " table are tried in their order, unless they have names."
        ),
        examples=[["public.orders.customer_id", {"column": "crm.lead.mail", "via": "email"}]],
    )

    @model_validator(mode="after")
    def _says_each_once(self) -> LinkedSubject:
        columns: set[tuple[str, ...]] = set()
        for place, each in enumerate(self.also):
            at = ("also", place)
            if each.columns in columns:
                raise wrong(f"lists {' and '.join(each.columns)} twice", "each column once", at)
            columns.add(each.columns)
            if len(each.columns) not in (1, len(self.keys)):
                raise wrong(
                    f"has {len(self.keys)} columns in its key, and {len(each.columns)} in"
                    f" {' and '.join(each.columns)}",
                    "as many, in the order of the key",
                    at,
                )
            if each.name is None and each.table == parse_pattern(self.table, 2).names:
                raise wrong(
                    f"lists {describe(each.columns[0])} of its own table without a name",
                    "{column: …, name: …}: the table's own rows are the subject's by its key",
                    at,
                )
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the key."""
        return (self.key,) if isinstance(self.key, str) else self.key


def check_names(subjects: Mapping[str, LinkedSubject]) -> None:
    """No row can have two subjects of one name. Raises what a validator raises."""
    if NO_SUBJECT in subjects:
        raise wrong(
            f"calls a subject `{NO_SUBJECT}`", "another name: `subject: none` says that there is none"
        )
    taken: dict[tuple[tuple[str, ...], str], tuple[str, bool]] = {
        (parse_pattern(each.table, 2).names, name): (name, True) for name, each in subjects.items()
    }
    for name, subject in subjects.items():
        for place, each in enumerate(subject.also):
            at = (name, "also", place)
            called = each.name or name
            if called == NO_SUBJECT:
                raise wrong(
                    f"calls a subject `{NO_SUBJECT}`",
                    "another name: `subject: none` says that there is none",
                    at,
                )
            if taken.get((each.table, called), (name, False)) != (name, False):
                raise wrong(
                    f"has two subjects called `{called}` in {literal_pattern(*each.table)}",
                    "a `name` for one of them: {column: …, name: …}",
                    at,
                )
            taken[each.table, called] = (name, False)
