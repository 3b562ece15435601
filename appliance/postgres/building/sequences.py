"""Where the source's sequences stand, and setting the twin's to the same.

A sequence is outside every snapshot: read after that was taken, a value is never behind the rows it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

_READ_AT_ONCE = 100
_LOCK_TIMEOUT_MS = 200
# A sequence that an extension made is the extension's to set.
_SEQUENCES = """
SELECT n.nspname::text, c.relname::text, t.schema_name, t.table_name, t.column_name,
    has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT')
        AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT tn.nspname::text AS schema_name, tc.relname::text AS table_name, a.attname::text AS column_name
    FROM pg_depend AS d JOIN pg_class AS tc ON tc.oid = d.refobjid
    JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = tc.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i') LIMIT 1
) AS t ON true
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND NOT EXISTS (
    SELECT FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 1, 2
"""


class SequenceValue(BaseModel):
    """One sequence of the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    name: str
    last_value: int | None = None
    """None where the source's role may not read it, or it was locked or dropped meanwhile."""
    is_called: bool = False
    owned_by: tuple[str, str, str] | None = None
    """(schema, table, column) of the column it numbers."""


def read_sequences(source: Connection[TupleRow]) -> list[SequenceValue]:
    """Every sequence, with its value where the role may read it. Raises psycopg errors."""
    rows = source.execute(_SEQUENCES).fetchall()
    values: dict[tuple[str, str], tuple[int, bool]] = {}
    readable = [(schema, name) for schema, name, *_, allowed in rows if allowed]
    for start in range(0, len(readable), _READ_AT_ONCE):
        values.update(_read(source, readable[start : start + _READ_AT_ONCE]))
    sequences = []
    for schema, name, *owner, _ in rows:
        last_value, is_called = values.get((schema, name), (None, False))
        sequences.append(
            SequenceValue(
                schema_name=schema,
                name=name,
                last_value=last_value,
                is_called=is_called,
                owned_by=(owner[0], owner[1], owner[2]) if owner[0] is not None else None,
            )
        )
    return sequences


def _read(
    source: Connection[TupleRow], names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, bool]]:
    """Values by name, without those of sequences that are locked or gone."""
    try:
        with source.transaction():
            # What is read is let go at once: others may want to drop it.
            source.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
            found = dict(_values(source, names))
            raise psycopg.Rollback
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
        if len(names) == 1:
            return {}
        middle = len(names) // 2
        return _read(source, names[:middle]) | _read(source, names[middle:])
    return found


def _values(
    source: Connection[TupleRow], names: Sequence[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], tuple[int, bool]]]:
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, last_value, is_called FROM {}").format(sql.Literal(number), sql.Identifier(*name))
        for number, name in enumerate(names)
    )
    for number, last_value, is_called in source.execute(query):
        yield names[number], (last_value, is_called)


def set_sequences(target: Connection[TupleRow], sequences: Iterable[SequenceValue]) -> list[str]:
    """Set the twin's sequences (the caller commits); returns sentences about those set to something else.

    One whose value is not known continues after the highest number of the column that it numbers.
    """
    notes: list[str] = []
    wanted = list(sequences)
    if _set_known(target, [sequence for sequence in wanted if sequence.last_value is not None]):
        wanted = [sequence for sequence in wanted if sequence.last_value is None]
    for sequence in wanted:
        name = sql.Identifier(sequence.schema_name, sequence.name).as_string(target)
        label = f"{sequence.schema_name}.{sequence.name}"
        if target.execute("SELECT to_regclass(%s)", [name]).fetchone() == (None,):
            continue
        try:
            with target.transaction():
                if sequence.last_value is not None:
                    target.execute(
                        "SELECT setval(%s::regclass, %s, %s)", [name, sequence.last_value, sequence.is_called]
                    )
                elif sequence.owned_by is not None:
                    _continue_after_rows(target, name, sequence.owned_by)
                    notes.append(
                        f"The sequence {label} continues after the twin's highest number: the source's role"
                        " may not read it (GRANT SELECT ON ALL SEQUENCES IN SCHEMA … TO it), or it was"
                        " locked."
                    )
                else:
                    notes.append(
                        f"The sequence {label} begins anew: the source's role may not read it, or it was"
                        " locked."
                    )
        except psycopg.errors.DataError:
            notes.append(f"The sequence {label} could not be set.")
    return notes


def _set_known(target: Connection[TupleRow], sequences: Sequence[SequenceValue]) -> bool:
    """Set all in one round trip; False, with none set, where that does not work."""
    names = [sql.Identifier(each.schema_name, each.name).as_string(target) for each in sequences]
    try:
        with target.transaction():
            target.execute(
                "SELECT setval(to_regclass(name), value, called)"
                " FROM unnest(%s::text[], %s::bigint[], %s::boolean[]) AS s (name, value, called)",
                [names, [each.last_value for each in sequences], [each.is_called for each in sequences]],
            )
    except psycopg.errors.DataError:
        return False
    return True


def _continue_after_rows(target: Connection[TupleRow], name: str, column: tuple[str, str, str]) -> None:
    query = sql.SQL(
        "SELECT setval(s.seqrelid, least(greatest(found, s.seqmin), s.seqmax)) FROM pg_sequence AS s,"
        " LATERAL (SELECT CASE WHEN s.seqincrement > 0 THEN max({column}) ELSE min({column}) END::bigint"
        " AS found FROM {table}) AS rows WHERE s.seqrelid = {name}::regclass AND found IS NOT NULL"
    )
    target.execute(
        query.format(
            column=sql.Identifier(column[2]), table=sql.Identifier(*column[:2]), name=sql.Literal(name)
        )
    )
