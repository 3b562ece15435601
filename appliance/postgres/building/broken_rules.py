"""Constraints and unique indexes that the source's own rows break: counted, and kept as far as can be.

Rows arrive as the source has them. So where no mask has touched what a constraint compares, and rows break
it, they break it in the source: after a load with ``session_replication_role = replica``, a unique index
whose order a new C library has changed, a CHECK whose function has been replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import psycopg

from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.errors import retry_can_help
from appliance.postgres.no_encoding import bytes_of
from appliance.postgres.plan import Plan, Settings
from appliance.postgres.sessions.parallel_jobs import Session
from appliance.postgres.source.archive_contents import Entry

Relation = tuple[str, str]
"""(schema, name)."""
Masks = dict[Relation, dict[str, str]]
"""The mask of each column whose values are not the source's."""

Columns = dict[Relation, set[str]]

NAME = r'(?:"(?:[^"]|"")+"|[^\s".(),]+)'
_COLUMNS = rf"{NAME}(?:, {NAME})*"
FOREIGN_KEY = re.compile(
    rf"ALTER TABLE (?P<only>ONLY )?(?P<table>{NAME}\.{NAME})\s+ADD CONSTRAINT (?P<name>{NAME})"
    rf" FOREIGN KEY \((?P<columns>{_COLUMNS})\)"
    rf" REFERENCES (?P<schema>{NAME})\.(?P<referenced>{NAME})\((?P<to>{_COLUMNS})\)"
)
_KEY = re.compile(
    rf"ALTER TABLE (?:ONLY )?(?P<table>{NAME}\.{NAME})\s+ADD CONSTRAINT {NAME}"
    rf" (?:PRIMARY KEY|UNIQUE(?P<nulls> NULLS NOT DISTINCT)?) \((?P<columns>{_COLUMNS})\)"
)
_UNIQUE_INDEX = re.compile(
    rf"CREATE UNIQUE INDEX {NAME} (?P<on>ON (?:ONLY )?(?P<table>{NAME}\.{NAME}) USING [^;]+)"
)
_CONDITION = """
SELECT pg_get_expr(k.conbin, k.conrelid), EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))
FROM pg_constraint AS k
WHERE k.conrelid = %s::regclass AND k.conname = %s AND k.contype = 'c'
"""
_INDEX_KEYS = """
SELECT pg_get_expr(i.indpred, i.indrelid),
    ARRAY(SELECT pg_get_indexdef(i.indexrelid, place, false) FROM generate_series(1, i.indnkeyatts) AS place)
FROM pg_index AS i WHERE i.indexrelid = %s::regclass
"""
_PROBE = "appliance_ledger_probe"


def masks_of(plan: Plan, generated: Mapping[Relation, Mapping[str, Iterable[str]]]) -> Masks:
    """The mask of each masked column, of tables and of the partitioned tables above them.

    ``generated`` are the columns that are computed, each with those that it is computed from: it has a mask
    if one of them has.
    """
    found: Masks = {}
    for table in plan.tables:
        masks = {column.name: column.mask or "" for column in table.masked_columns}
        for each in (table, table.root):
            if each is not None:
                found.setdefault((each.schema_name, each.name), {}).update(masks)
    for relation, columns in generated.items():
        masks = found.get(relation, {})
        for name, needs in columns.items():
            if of_needs := [masks[each] for each in needs if each in masks]:
                masks[name] = " and ".join(sorted(set(of_needs)))
    return found


def meeting_of(
    plan: Plan, all_masks: Masks, generated: Mapping[Relation, Mapping[str, Iterable[str]]]
) -> Columns:
    """The columns, of all that ``masks_of`` gave, whose values may be equal where the source's are not."""
    found: Columns = {}
    for table in plan.tables:
        names = {column.name for column in table.masked_columns if not column.preserves_distinct}
        for each in (table, table.root):
            if each is not None:
                found.setdefault((each.schema_name, each.name), set()).update(names)
    for relation, masks in all_masks.items():
        found[relation] |= masks.keys() & generated.get(relation, {}).keys()
    return found


def unlike_ends(
    match: re.Match[str], table: Relation, masks: Mapping[Relation, Mapping[str, str]]
) -> list[str]:
    """What is masked otherwise at one end of a foreign key than at the other, in words; empty if nothing is.

    The plan makes sure that masks of one name draw alike at both ends: a reference without its row has none
    in the source either, then.
    """
    referred = (unquoted(match["schema"]), unquoted(match["referenced"]))
    ends = zip(re.findall(NAME, match["columns"]), re.findall(NAME, match["to"]), strict=True)
    said = []
    for here, there in ((unquoted(one), unquoted(other)) for one, other in ends):
        mask, other_mask = masks.get(table, {}).get(here), masks.get(referred, {}).get(there)
        if mask != other_mask:
            said.append(
                f"{'.'.join(table)}.{here} ({_how(mask)}) refers to"
                f" {'.'.join(referred)}.{there} ({_how(other_mask)})"
            )
    return said


def _how(mask: str | None) -> str:
    return "kept" if mask is None else f"masked with {mask}"


def touched(definition: str, table: Relation, masked: Iterable[str]) -> bool:
    """Whether it names one of the table's masked columns, or the row as a whole; rather too often than too
    seldom.
    """
    names = list(masked)
    whole = rf'(?<!\w){re.escape(table[1].replace(chr(34), chr(34) * 2))}"?\.\*'
    return bool(names and re.search(whole, definition)) or any(
        re.search(rf"(?<!\w){re.escape(name.replace(chr(34), chr(34) * 2))}(?!\w)", definition)
        for name in names
    )


def touched_key(match: re.Match[str], table: Relation, masked: Mapping[Relation, Iterable[str]]) -> bool:
    """Whether a mask replaces one end of a foreign key."""
    referred = (unquoted(match["schema"]), unquoted(match["referenced"]))
    own, other = masked.get(table, ()), masked.get(referred, ())
    return touched(match["columns"], table, own) or touched(match["to"], referred, other)


def unquoted(name: str) -> str:
    """An identifier as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def orphans(session: Session, match: re.Match[str], settings: Settings) -> int | None:
    """Rows that refer to none; None where they cannot be counted."""
    own = re.findall(NAME, match["columns"])
    other = re.findall(NAME, match["to"])
    there = " AND ".join(f"p.{one} = c.{two}" for one, two in zip(other, own, strict=True))
    filled = " AND ".join(f"c.{name} IS NOT NULL" for name in own)
    # As the constraint sees it: a partition's rows are its parent's, a child's by INHERITS are not.
    only = f"{match['only'] or ''}"
    return _count(
        session,
        f"SELECT count(*) FROM {only}{match['table']} AS c WHERE {filled} AND NOT EXISTS"  # noqa: S608
        f" (SELECT FROM {match['schema']}.{match['referenced']} AS p WHERE {there})",
        settings,
    )


def doubles(session: Session, entry: Entry, settings: Settings) -> int | None:
    """Rows beyond the first of each value that must be unique; None where they cannot be counted."""
    key = _KEY.search(entry.sql)
    if key is not None:
        names = re.findall(NAME, key["columns"])
        filled = "" if key["nulls"] else " AND ".join(f"{name} IS NOT NULL" for name in names)
        return _count(session, _doubled(key["table"], names, filled), settings)
    index = _UNIQUE_INDEX.search(entry.sql)
    if index is None:
        return None
    try:
        with session.transaction(force_rollback=True):
            # The same index without its promise shows what it compares, and of which rows.
            schema = index["table"].partition(".")[0]
            made = f"CREATE INDEX {_PROBE} {index['on'].replace(' NULLS NOT DISTINCT', '')}"
            session.execute((set_as_in_source(settings, "define") + made).encode())
            row = session.execute(_INDEX_KEYS, [f"{schema}.{_PROBE}"]).fetchone()
    except psycopg.Error:
        return None
    if row is None:
        return None
    condition, keys = row
    parts = [f"({condition})"] if condition else []
    if "NULLS NOT DISTINCT" not in index["on"]:
        parts += [f"({key}) IS NOT NULL" for key in keys]
    return _count(session, _doubled(index["table"], keys, " AND ".join(parts)), settings)


def failing(session: Session, table: str, name: str, settings: Settings, *, elsewhere: bool) -> str:
    """Why one of the checks of a table (quoted) does not hold, of which no mask replaces a column.

    ``elsewhere``: masks replace columns of other tables.
    """
    row = session.execute(_CONDITION, [table, unquoted(name)]).fetchone()
    condition, calls_own = row or ("", False)
    count = (
        _count(session, f"SELECT count(*) FROM {table} WHERE ({condition}) IS FALSE", settings)  # noqa: S608
        if condition
        else None
    )
    if calls_own and elsewhere:
        said = rows_text(count, "rows that do not satisfy it")
        return f"{said}. No mask replaces a column of it, but what its functions read may be masked."
    said = rows_text(count, "rows of the source that do not satisfy it")
    return f"{said}. No mask replaces a column of it."


def rows_text(count: int | None, why: str) -> str:
    """How many rows are at fault."""
    return f"{why}: {count:,}" if count is not None else f"{why}: not counted"


def _doubled(table: str, keys: Iterable[str], condition: str) -> str:
    named = ", ".join(f"({key})" for key in keys)
    where = f" WHERE {condition}" if condition else ""
    return (
        f"SELECT coalesce(sum(d.n - 1), 0)::bigint FROM"  # noqa: S608
        f" (SELECT count(*) AS n FROM {table}{where} GROUP BY {named} HAVING count(*) > 1) AS d"
    )


def _count(session: Session, query: str, settings: Settings) -> int | None:
    try:
        with session.transaction():
            session.execute(set_as_in_source(settings, "evaluate").encode() or b"SELECT 1")
            row = session.execute(bytes_of(query)).fetchone()
    except psycopg.Error as error:
        if retry_can_help(error):
            raise
        return None
    return None if row is None else int(row[0])
