"""SQL that is true for the rows about a subject, made from a walk. What a subject is known by comes from the
caller: a value, a masked one, or a keyed digest. No value stands in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from appliance.masking.expressions.drawing import text_message
from appliance.masking.expressions.sql_text import identifier, output_text
from appliance.subjects.walk import Link, LinkedTable, Unlinked, Walk
from appliance.workflow.catalog import Column, KeyComparison

Anchor = Callable[[str, Column, str], str]
"""(SQL of a column, the column, the column of the subject's table whose value it holds) → a condition."""
Known = Callable[[str], str]
"""(alias) → a condition, for a table whose rows are found in another way."""

_WHOLE_NUMBERS = {"smallint": 15, "integer": 31, "bigint": 63}
"""Bits beside the sign: a number that has more would be quoted in the server's log where it is cast."""
_TEXTS = ("text", "character varying")
DIGEST_BYTES = 16
"""Of a keyed digest, so that the rest stays secret: see ``masking.drawing``."""


def rows_about(
    walked: Walk, table: str, anchor: Anchor, alias: str = "t", known: dict[str, Known] | None = None
) -> str:
    """A boolean expression over ``alias``, which stands for a row of a listed table."""
    return _Conditions(walked, anchor, known or {}).of(walked.tables[table], alias, 0)


def rows_referring(
    walked: Walk, unlinked: Unlinked, anchor: Anchor, known: dict[str, Known] | None = None
) -> str:
    """The same for a row whose column refers to one that goes; the alias is ``t``."""
    conditions = _Conditions(walked, anchor, known or {})
    return conditions.through(unlinked.link, "t", 0)


class _Conditions:
    def __init__(self, walked: Walk, anchor: Anchor, known: dict[str, Known]) -> None:
        self.walked, self.anchor, self.known = walked, anchor, known

    def of(self, table: LinkedTable, alias: str, depth: int) -> str:
        if table.name in self.known:
            return self.known[table.name](alias)
        if not table.links:
            key = self.walked.subject.key
            return self.anchor(f"{alias}.{identifier(key)}", table.column(key), key)
        found = [self._linked(table, link, alias, depth) for link in table.links]
        return f"({' OR '.join(found)})" if len(found) > 1 else found[0]

    def _linked(self, table: LinkedTable, link: Link, alias: str, depth: int) -> str:
        to_root = link.to_table == self.walked.subject.table
        if to_root and len(link.columns) == 1:
            (own,) = link.columns
            return self.anchor(f"{alias}.{identifier(own)}", table.column(own), link.to_columns[0])
        return self.through(link, alias, depth)

    def through(self, link: Link, alias: str, depth: int) -> str:
        """By the row that it leads to."""
        there, to = f"a{depth}", self.walked.tables[link.to_table]
        hows = link.comparisons or tuple(KeyComparison() for _ in link.columns)
        pairs = [
            _compared(f"{there}.{identifier(other)}", f"{alias}.{identifier(own)}", how)
            for own, other, how in zip(link.columns, link.to_columns, hows, strict=True)
        ]
        matches = " AND ".join([*pairs, self.of(to, there, depth + 1)])
        name = f"{identifier(to.table.schema_name)}.{identifier(to.table.name)}"
        return f"EXISTS (SELECT FROM {name} AS {there} WHERE {matches})"


def _compared(there: str, here: str, how: KeyComparison) -> str:
    left = f"CAST({there} AS {how.to_type})" if how.to_type is not None else there
    right = f"CAST({here} AS {how.own_type})" if how.own_type is not None else here
    collate = f" COLLATE {how.collation}" if how.collation is not None else ""
    return f"({left}{collate}) {how.operator} ({right})"


def is_folded(column: Column) -> bool:
    """ANN and Ann are one value to it."""
    return column.base_kind == "base" and column.base_type.rpartition(".")[2] == "citext"


def text_of(value: str, column: Column) -> str:
    """A column's value as the text that is compared and hashed; NULL for NULL, never an error."""
    if is_folded(column):
        return f"lower({output_text(value)})"
    if column.base_kind == "base" and column.base_type in (*_TEXTS, "character"):
        return f"({value})::text"
    return output_text(value)


def normal_text(text: str, column: Column) -> str | None:
    """A typed value as ``text_of`` gives it; None for one that no row of the column can have."""
    try:
        if column.base_type in _WHOLE_NUMBERS:
            if not re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", text):
                return None
            most = 1 << _WHOLE_NUMBERS[column.base_type]
            return str(int(text)) if -most <= int(text) < most else None
        if column.base_type == "uuid":
            return str(UUID(text))
    except ValueError:
        return None
    return text


def can_be_cast(column: Column) -> bool:
    """Whether the text of any value that is typed can be cast without an error, which would quote it."""
    return column.base_kind == "base" and column.base_type in (*_TEXTS, "uuid", *_WHOLE_NUMBERS)


def equals(value: str, column: Column, text: str, setting: str) -> str:
    """That a column has the value whose text is bound as ``setting``. It can use an index, and never fails.

    ``text`` is the value itself: it decides how to compare, and does not stand in what is made.
    """
    bound = bound_text(setting)
    if column.base_kind == "base" and column.base_type in _TEXTS:
        return f"{value} = {bound}"
    if column.base_kind == "base" and column.base_type in _WHOLE_NUMBERS:
        fits = normal_text(text, column) == text and -(2**63) <= int(text) < 2**63
        return f"{value} = {bound}::bigint" if fits else "false"
    if column.base_kind == "base" and column.base_type == "uuid":
        return f"{value} = {bound}::uuid" if normal_text(text, column) == text else "false"
    folded = f"lower({bound})" if is_folded(column) else bound
    return f"{text_of(value, column)} = {folded}"


def bound_text(setting: str) -> str:
    """The text of a setting that holds its UTF-8 bytes in hex."""
    return f"(SELECT convert_from(decode(current_setting('{setting}'), 'hex'), 'UTF8'))"


def digest_of(text: str, setting: str) -> str:
    """The keyed digest of a text expression, in hex; NULL for NULL. The key is bound as ``setting``."""
    message = text_message(text)
    prefix = f"(SELECT decode(current_setting('{setting}') || '{message.header}', 'hex'))"
    return f"encode(substr(sha256({prefix} || {message.body}), 1, {DIGEST_BYTES}), 'hex')"


def one_of_digests(value: str, column: Column, digests: tuple[str, ...], setting: str) -> str:
    """That a column's value has one of these digests; false for NULL."""
    if not digests or not all(re.fullmatch(r"[0-9a-f]+", digest) for digest in digests):
        return "false"
    listed = ", ".join(f"'{digest}'" for digest in digests)
    return f"coalesce({digest_of(text_of(value, column), setting)} IN ({listed}), false)"
