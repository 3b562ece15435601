"""Which subjects later runs leave out: by keyed digests, evaluated in the source's own SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from appliance.errors import WrongRequestError
from appliance.keys.keys import derived_key
from appliance.masking.compiled import Binding
from appliance.masking.expressions.sql_text import identifier
from appliance.subjects.conditions import one_of_digests, rows_about, rows_referring
from appliance.subjects.document import Subject
from appliance.subjects.walk import Unlinked, Walk, walk
from appliance.workflow.catalog import Column, Table

ERASED_KEY = Binding(setting="appliance.k_erased", part="key", domain="erased/rows")
"""The key of the digests. It opens no pseudonym, and stands in no session that an author's SQL runs in."""

TableKey = tuple[str, str]


class Erased(BaseModel):
    """All erased subjects of one kind. Digests only: no subject can be read from it without the key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    subject: Subject
    digests: dict[str, tuple[str, ...]]
    """By column of the subject's own table."""
    own: dict[str, tuple[str, ...]]
    """Those by which its own row is found: of the key, or where that was not known, of what was."""


def erased_key(key: bytes, key_name: str) -> bytes:
    """The key of a source's digests, below the appliance's key. It has no epochs: it is to find for ever."""
    return derived_key(key, "erased", key_name)


@dataclass(frozen=True)
class _Digests:
    """Conditions by digest."""

    erased: Erased
    walked: Walk

    def of(self, table: str) -> str:
        return rows_about(self.walked, table, self._anchor, known={self.walked.root.name: self._own})

    def referring(self, unlinked: Unlinked) -> str:
        return rows_referring(self.walked, unlinked, self._anchor, {self.walked.root.name: self._own})

    def _anchor(self, value: str, column: Column, root_column: str) -> str:
        return one_of_digests(value, column, self.erased.digests.get(root_column, ()), ERASED_KEY.setting)

    def _own(self, alias: str) -> str:
        root = self.walked.root
        found = [
            one_of_digests(f"{alias}.{identifier(name)}", root.column(name), digests, ERASED_KEY.setting)
            for name, digests in self.erased.own.items()
        ]
        return f"({' OR '.join(found)})" if found else "false"


@dataclass(frozen=True)
class ErasedRows:
    """What a run does without, by table that holds rows. Conditions are over the alias ``t``."""

    where: dict[TableKey, str]
    """True for a row about an erased subject."""
    emptied: dict[TableKey, dict[str, str]]
    """By column of other subjects' rows: true where it refers to such a row."""


def erased_rows(erased: Iterable[Erased], tables: Sequence[Table]) -> ErasedRows:
    """Conditions for all of them. Pure.

    Raises WrongRequestError where ``subjects.yaml`` does not fit the source any more: nothing is copied then,
    since whom to leave out is not known.
    """
    found: dict[TableKey, list[str]] = {}
    emptied: dict[TableKey, dict[str, list[str]]] = {}
    problems: list[str] = []
    for each in erased:
        walked = walk(each.subject, tables)
        if walked.problems:
            problems += [f"subjects.{each.name}: {problem}" for problem in walked.problems]
            continue

        conditions = _Digests(each, walked)
        for name, listed in walked.tables.items():
            condition = conditions.of(name)
            if condition == "false":
                continue
            for table in _holding_rows_of(listed.table, tables):
                found.setdefault((table.schema_name, table.name), []).append(condition)
        for unlinked in walked.unlinked:
            (column,), condition = unlinked.link.columns, conditions.referring(unlinked)
            for table in _holding_rows_of(unlinked.table, tables):
                columns = emptied.setdefault((table.schema_name, table.name), {})
                columns.setdefault(column, []).append(condition)
    if problems:
        raise WrongRequestError(
            "\n".join(problems),
            "Subjects were erased, and it cannot be said which rows are about them. No row has been read.",
            "Correct subjects.yaml: appliance erasure check",
        )
    return ErasedRows(
        {name: " OR ".join(parts) for name, parts in found.items()},
        {
            name: {column: " OR ".join(parts) for column, parts in columns.items()}
            for name, columns in emptied.items()
        },
    )


def _holding_rows_of(listed: Table, tables: Sequence[Table]) -> list[Table]:
    """The table, its partitions, and what INHERITS from it: a query of it reads them all."""
    name = (listed.schema_name, listed.name)
    return [
        table
        for table in tables
        if table.kind != "partitioned"
        and (
            name in table.all_names
            or any(name == above.names for column in table.columns for above in column.inherited_from)
        )
    ]
