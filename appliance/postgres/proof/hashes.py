"""The SQL of evidence: how a row is found again, and how what a mask gives for it is compared unseen.

Only what stands in the twin is hashed: a row's key as the twin has it, and the values that masks give. So
who has the run's key beside the hashes, as code in a session of the target can, learns what the twin shows.

A row is found by its key where that is one whole number or one uuid, and the server joins by it without
computing anything. Any other row is found by a hash of its key. A hash is SHA-256 under the run's key, cut to
64 bits. Before the value stand, each of a fixed length, the key, what is hashed (relation, part, place; all
zero for a row's key) and the row, so that equal values in two columns, or in two rows, do not look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.plan import PlannedTable

SETTING = "appliance.evidence_key"
SHOWN_BYTES = 8
NOTHING = "'\\x'::bytea"
"""What stands for the hash of NULL, where NULL is something that a mask gives."""
NO_ROW = "'\\x0000000000000000'::bytea"
_LONG_TEXT_BYTES = 1_000_000
_WHOLE_NUMBERS = frozenset({"smallint", "integer", "bigint"})
_MOST_PAIRING_COLUMNS = 8
# Large, or without a text form that means the same on both sides.
_NO_PAIRING = frozenset({"json", "jsonb", "bytea", "xml", "tsvector", "money"})


FoundBy = Literal["by_number", "by_uuid", "by_hash"]
"""Columns of the evidence."""
KEPT_IN: tuple[FoundBy, ...] = get_args(FoundBy)


@dataclass(frozen=True)
class Finder:
    """What a table's rows are found by: which column of the evidence, and from what."""

    kept_in: FoundBy
    columns: tuple[CompiledColumn, ...]
    """A key, or else what is kept; may be empty."""
    unique: bool
    """No two rows of the table are found by the same."""

    def found_by(self, values: Sequence[str], *, converted: bool) -> str:
        """SQL of what the row with these values of ``columns`` is found by."""
        if not values:
            return "NULL::bytea"
        if self.kept_in == "by_number":
            return f"({values[0]})::bigint"
        if self.kept_in == "by_uuid":
            return f"({values[0]})::uuid"
        text = _joined(self.columns, values)
        message = f"{_key(tagged(0, 0, 0))} || {_short_text_bytes(text, converted=converted)}"
        return f"substr(sha256({message}), 1, {SHOWN_BYTES})"

    def row_bytes(self, found: str) -> str:
        """The same in a fixed number of bytes, from SQL of what the row is found by."""
        if not self.columns:
            return NO_ROW
        return {
            "by_number": f"int8send({found})",
            "by_uuid": f"uuid_send({found})",
            "by_hash": found,
        }[self.kept_in]

    def one_in(self, found: str, part: int, seed: int) -> str:
        """Whether a row is of the one in ``part`` (a power of two) that is searched. The hash stays here."""
        if not self.unique:
            return f"random() < {1 / part}"
        hashed = {
            "by_number": f"hashint8extended({found}, {seed})",
            "by_uuid": f"uuid_hash_extended({found}, {seed})",
            "by_hash": f"get_byte({found}, 0)",
        }[self.kept_in]
        return f"{hashed} & {part - 1} = 0"


def finder(tables: Sequence[PlannedTable]) -> Finder:
    """How the rows of all tables that are loaded into one relation are found in it.

    Partitions may have their columns in another order, and keys that hold for each of them alone.
    """
    alone = len(tables) == 1
    named = [{column.name: column for column in table.columns if _same_text(column)} for table in tables]
    key = sorted(tables[0].row_key)
    if key and all(
        set(key) == set(table.row_key) <= set(by) for table, by in zip(tables, named, strict=True)
    ):
        columns = tuple(named[0][name] for name in key)
        return Finder(_found_by(columns), columns, unique=alone)
    kept = {name for name, column in named[0].items() if column.mask is None}.intersection(
        *({name for name, column in by.items() if column.mask is None} for by in named)
    )
    columns = tuple(named[0][name] for name in sorted(kept))[:_MOST_PAIRING_COLUMNS]
    return Finder("by_hash", columns, unique=False)


def _found_by(columns: Sequence[CompiledColumn]) -> FoundBy:
    kind = columns[0].type if len(columns) == 1 else ""
    if kind in _WHOLE_NUMBERS:
        return "by_number"
    return "by_uuid" if kind == "uuid" else "by_hash"


def hashed(text: str, tag: str, row: str, *, converted: bool) -> str:
    """The keyed hash of a text (which must be a column's name: it is read several times); NULL for NULL.

    ``tag`` is what ``tagged`` gives, ``row`` what ``Finder.row_bytes`` does.
    """
    message = f"{_key(tag)} || {row} || {text_bytes(text, converted=converted)}"
    return f"substr(sha256({message}), 1, {SHOWN_BYTES})"


def tagged(relation: int, part: int, place: int) -> str:
    """What is hashed, as sixteen hex digits."""
    return f"{relation:08x}{part:04x}{place:04x}"


def text_bytes(text: str, *, converted: bool) -> str:
    """A text's bytes. ``converted``: to UTF-8, where the two servers' encodings differ.

    ``decode`` of escaped text gives the bytes without looking at them, so it fails for none. Very long text
    would not fit beside its key: two fast hashes of it stand for it.
    """
    if converted:
        return _short_text_bytes(text, converted=True)
    hashes = f"hashtextextended({text}, 0), ':', hashtextextended({text}, 1)"
    shorter = (
        f"CASE WHEN octet_length({text}) > {_LONG_TEXT_BYTES}"
        f" THEN concat('long:', octet_length({text}), ':', {hashes}) ELSE {text} END"
    )
    return _short_text_bytes(shorter, converted=False)


def encodings_differ(one: str, other: str) -> bool:
    """Whether text must be converted before it is hashed. SQL_ASCII holds whatever bytes it was given."""
    return one != other and "SQL_ASCII" not in (one, other)


def _key(tag: str) -> str:
    return f"(SELECT decode(current_setting('{SETTING}'), 'hex') || '\\x{tag}'::bytea)"


def _short_text_bytes(text: str, *, converted: bool) -> str:
    if converted:
        return f"convert_to({text}, 'UTF8')"
    return f"decode(replace({text}, E'\\\\', E'\\\\\\\\'), 'escape')"


def _joined(columns: Sequence[CompiledColumn], values: Sequence[str]) -> str:
    """Texts, so put together that no two rows become one: each with its length, a NULL with none."""
    if len(values) == 1:
        return f"coalesce(({values[0]})::text COLLATE \"C\", '')"
    parts = []
    for column, value in zip(columns, values, strict=True):
        text = f'({value})::text COLLATE "C"'
        if column.type in _WHOLE_NUMBERS:
            parts.append(f"coalesce({text}, '')")
        else:
            parts.append(f"coalesce(length({text})::text || ':' || ({text}), '')")
    return f"concat_ws(',', {', '.join(parts)})"


def _same_text(column: CompiledColumn) -> bool:
    name = column.type.split("(")[0].removesuffix("[]")
    return name not in _NO_PAIRING and not name.startswith("reg")
