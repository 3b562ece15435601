"""How many rows a filter and the foreign keys behind it leave out, counted apart from what copies.

The condition that copies a row says that what it refers to is kept. Here it is asked the other way round, of
the source, in the run's snapshot: how many rows there are, how many fail their own filter, and how many refer
to a row that is *found* among those left out. The two share no code. A row that is neither copied nor found
here was lost, whatever the reason, and ``verify`` fails: rows of the source = rows of the twin + left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from psycopg import Connection, sql
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict

from appliance.postgres.copying.copy_sql import only
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.plan import PlannedTable
from appliance.postgres.planning.row_condition_sql import condition_sql
from appliance.workflow.catalog import ForeignKey, Table
from appliance.workflow.matching.rules import SelectedTable
from appliance.workflow.row_filter import RowFilter

Name = tuple[str, str]


class LeftOut(BaseModel):
    """What the rows of filtered tables came to on the source. Numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    """All of them: those of the twin, and those left out."""
    by_filter: int = 0
    """They fail the table's own filter."""
    by_key: int = 0
    """They pass it, and refer to a row that is left out."""
    erased: int = 0
    """They would be copied, and are about erased subjects."""

    @property
    def total(self) -> int:
        """Rows that are left out."""
        return self.by_filter + self.by_key + self.erased

    @property
    def text(self) -> str:
        reasons = (
            (self.by_filter, "by its filter"),
            (self.by_key, "by keys to rows left out"),
            (self.erased, "about erased subjects"),
        )
        said = " and ".join(f"{rows:,} {reason}" for rows, reason in reasons if rows)
        return f"left out {self.total:,} of {self.rows:,} rows, {said}"

    def fault(self, copied: int) -> str | None:
        """What is wrong, where the rows copied and those left out are not all that there are."""
        lost = self.rows - copied - self.total
        if not lost:
            return None
        return (
            f"{self.rows:,} rows in the source, {copied:,} copied, {self.total:,} left out by filters:"
            f" {abs(lost):,} {'lost' if lost > 0 else 'too many'}. They refer to rows that the source lacks"
            " against its own foreign key, or a filter gave two answers"
        )


def together(counts: Sequence[LeftOut]) -> LeftOut:
    """The sum of several tables."""
    return LeftOut(
        rows=sum(each.rows for each in counts),
        by_filter=sum(each.by_filter for each in counts),
        by_key=sum(each.by_key for each in counts),
        erased=sum(each.erased for each in counts),
    )


def create(connection: Connection[TupleRow]) -> None:
    """Add the counts' table to the ledger's schema; what is there is kept."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.left_out (table_number integer PRIMARY KEY,"
        " rows bigint NOT NULL, by_filter bigint NOT NULL, by_key bigint NOT NULL)"
    )


def count_left_out(source: Connection[TupleRow], into: Connection[TupleRow], query: str) -> None:
    """Count on the source, and note the numbers in the ledger; again is no error. Raises psycopg errors."""
    if counted(into):
        return
    found = source.execute(query.encode()).fetchall()
    with into.transaction():
        into.cursor().executemany(
            f"INSERT INTO {SCHEMA}.left_out VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",  # noqa: S608
            [tuple(int(number) for number in row) for row in found],
        )


def counted(connection: Connection[TupleRow]) -> dict[int, LeftOut]:
    """The noted numbers, by the table's place in the plan."""
    rows = connection.execute(f"SELECT table_number, rows, by_filter, by_key FROM {SCHEMA}.left_out")  # noqa: S608
    return {
        number: LeftOut(rows=total, by_filter=by_filter, by_key=by_key)
        for number, total, by_filter, by_key in rows
    }


def left_out_query(
    selected: Iterable[SelectedTable],
    all_tables: Iterable[Table],
    taken_at: datetime,
    planned: Sequence[PlannedTable],
) -> str | None:
    """A query of (place in the plan, rows, by filter, by key) for each table that may lose rows. Pure.

    The keys must be followable, and free of circles, as ``row_conditions`` finds out.
    """
    numbers = {(table.schema_name, table.name): number for number, table in enumerate(planned)}
    return _Counting(list(selected), list(all_tables), taken_at).query(numbers)


class _Counting:
    def __init__(self, selected: list[SelectedTable], all_tables: list[Table], taken_at: datetime) -> None:
        self.taken_at = taken_at
        self.tables: dict[Name, SelectedTable] = {
            (each.table.schema_name, each.table.name): each
            for each in selected
            if each.table.kind != "partitioned"
        }
        self.inside: dict[Name, list[Name]] = {}
        """The selected tables that hold the rows of what a key can point to."""
        for name, each in self.tables.items():
            for known_as in each.table.all_names:
                self.inside.setdefault(known_as, []).append(name)
        self.incomplete: set[Name] = set()
        """Partitioned tables of which some rows are not selected at all."""
        for table in all_tables:
            if table.kind != "partitioned" and (table.schema_name, table.name) not in self.tables:
                self.incomplete.update(table.all_names[1:])
        self.losing = self._losing()
        self.shown = self._referred_columns()

    def query(self, numbers: dict[Name, int]) -> str | None:
        if not self.losing:
            return None
        sets = [text for name in self._ordered() for text in self._gone(name)]
        counts = [self._counts(name, numbers[name]) for name in self.losing]
        head = f"WITH RECURSIVE {', '.join(sets)} " if sets else ""
        return f"{head}{' UNION ALL '.join(counts)}"

    def _losing(self) -> list[Name]:
        """Tables that may lose rows."""
        found = {name for name, each in self.tables.items() if each.rows is not None}
        while True:
            further = {
                name
                for name, each in self.tables.items()
                for key in each.table.foreign_keys
                if key.to_name in self.inside
                and (key.to_name in self.incomplete or found & set(self.inside[key.to_name]))
            }
            if further <= found:
                return [name for name in self.tables if name in found]
            found |= further

    def _keys(self, name: Name) -> list[ForeignKey]:
        """The keys of a table through which it loses rows."""
        return [
            key
            for key in self.tables[name].table.foreign_keys
            if key.to_name in self.inside
            and (key.to_name in self.incomplete or set(self.inside[key.to_name]) & set(self.losing))
        ]

    def _leads_to_losing(self, key: ForeignKey) -> bool:
        """Selected rows are left out of what it points to, and not only whole partitions."""
        return any(inner in self.losing for inner in self.inside[key.to_name])

    def _may_lead_nowhere(self, name: Name, key: ForeignKey) -> bool:
        """What a row refers to may be nowhere: in a partition left out, or the key was never validated."""
        return key.to_name in self.incomplete or not (key.validated or name in self.inside[key.to_name])

    def _referred_columns(self) -> dict[Name, list[str]]:
        """For what losing keys point to, the columns that they are about."""
        found: dict[Name, list[str]] = {}
        for name in self.losing:
            for key in filter(self._leads_to_losing, self._keys(name)):
                columns = found.setdefault(key.to_name, [])
                columns += [column for column in key.to_columns if column not in columns]
        return found

    def _ordered(self) -> list[Name]:
        """What keys point to, those first that others are made from."""
        done: list[Name] = []
        waiting = dict.fromkeys(self.shown)
        while waiting:
            ready = [
                name
                for name in waiting
                if not any(
                    key.to_name in waiting and key.to_name != name
                    for inner in self.inside[name]
                    if inner in self.losing
                    for key in self._keys(inner)
                )
            ]
            if not ready:
                return [*done, *waiting]
            done += ready
            for name in ready:
                del waiting[name]
        return done

    def _gone(self, target: Name) -> list[str]:
        """The set of rows that are left out of what a key points to, by the columns that keys refer to."""
        columns, inner = self.shown[target], [name for name in self.inside[target] if name in self.losing]
        shown = ", ".join(f"t.{_quoted(column)}" for column in columns)
        first, further = [], []
        for name in inner:
            start = f"SELECT {shown} FROM {self._only(name)}{_quoted(*name)} AS t"  # noqa: S608
            own = self._fails(name)
            first += [f"{start} WHERE {own}"] if own else []
            for key in self._keys(name):
                first += [f"{start} WHERE {self._nowhere(key)}"] if self._may_lead_nowhere(name, key) else []
                if key.to_name == target:
                    further.append(f"{start} JOIN known ON {_same(key, 'known')}")
                elif key.to_name in self.shown:
                    first.append(f"{start} WHERE {self._refers_to_gone(key)}")
        names, listed = self._set(target), ", ".join(_quoted(column) for column in columns)
        base = " UNION ALL ".join(first)
        if not further:
            return [f"{names} ({listed}) AS ({base})"]
        grown = f"(WITH known AS MATERIALIZED (SELECT * FROM {names}) {' UNION ALL '.join(further)})"  # noqa: S608
        return [f"{names} ({listed}) AS (({base}) UNION {grown})"]

    def _only(self, name: Name) -> str:
        return only(self.tables[name].table) if name in self.tables else "ONLY "

    def _counts(self, name: Name, number: int) -> str:
        """All rows, those that fail the filter, those that a key leads to a lost row; none counted twice."""
        own = self._fails(name)
        passes = f"NOT ({own})" if own else "true"
        reasons: list[str] = []
        for key in self._keys(name):
            reasons += [self._nowhere(key)] if self._may_lead_nowhere(name, key) else []
            if self._leads_to_losing(key):
                reasons.append(self._refers_to_gone(key))
        table = f"{self._only(name)}{_quoted(*name)} AS t"
        by_key = [
            f"(SELECT count(*) FROM {table} WHERE"  # noqa: S608
            f" {' AND '.join([passes, *(f'NOT ({earlier})' for earlier in reasons[:place]), reason])})"
            for place, reason in enumerate(reasons)
        ]
        by_filter = f"(SELECT count(*) FROM {table} WHERE {own})" if own else "0::bigint"  # noqa: S608
        return (
            f"SELECT {number}, (SELECT count(*) FROM {table}), {by_filter},"  # noqa: S608
            f" {' + '.join(by_key) if by_key else '0::bigint'}"
        )

    def _fails(self, name: Name) -> str | None:
        """That a row does not pass the table's own filter, over the alias ``t``."""
        rows = self.tables[name].rows
        if rows is None:
            return None
        if rows.where is not None:
            return f"({condition_sql(self.tables[name].table, rows.where)} IS NOT TRUE)"
        return self._too_old(self.tables[name].table, rows)

    def _too_old(self, table: Table, rows: RowFilter) -> str:
        column = next(each for each in table.columns if each.name == rows.by)
        moment = f"({sql.Literal(self.taken_at.isoformat()).as_string(None)}::timestamptz AT TIME ZONE 'UTC')"
        since = f"({moment} - {24 * (rows.last_days or 0)} * interval '1 hour')"
        if column.base_type == "date":
            since = f"{since}::date"
        elif column.base_type == "timestamp with time zone":
            since = f"({since} AT TIME ZONE 'UTC')"
        named = f"t.{_quoted(column.name)}"
        return f"({named} IS NULL OR {named} < {since})"

    def _refers_to_gone(self, key: ForeignKey) -> str:
        return f"EXISTS (SELECT FROM {self._set(key.to_name)} AS gone WHERE {_same(key, 'gone')})"

    def _nowhere(self, key: ForeignKey) -> str:
        """The row refers to one, and no selected partition has it, copied or not."""
        there = [
            f"NOT EXISTS (SELECT FROM {self._only(name)}{_quoted(*name)} AS p WHERE {_same(key, 'p')})"
            for name in self.inside[key.to_name]
        ]
        filled = [f"t.{_quoted(column)} IS NOT NULL" for column in key.columns]
        return f"({' AND '.join([*filled, *there])})"

    def _set(self, target: Name) -> str:
        return f"gone_{list(self.shown).index(target)}"


def _same(key: ForeignKey, there: str) -> str:
    """That ``t`` refers to a row of ``there``, by the constraint's own operators."""
    pairs = []
    for own, other, how in key.compared:
        left, right = f"{there}.{_quoted(other)}", f"t.{_quoted(own)}"
        if how.to_type is not None:
            left = f"CAST({left} AS {how.to_type})"
        if how.own_type is not None:
            right = f"CAST({right} AS {how.own_type})"
        collate = f" COLLATE {how.collation}" if how.collation is not None else ""
        pairs.append(f"({left}{collate}) {how.operator} ({right})")
    return " AND ".join(pairs)


def _quoted(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)
