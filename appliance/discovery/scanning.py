"""Look at a source, one short transaction a table. What cannot be looked at is said, and the rest goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.discovery.comments import Comments, read_comments
from appliance.discovery.findings import ColumnCounts, Finding, NotLookedAt, Scan
from appliance.discovery.judging import judge
from appliance.discovery.name_list import known_names
from appliance.discovery.places import is_looked_at
from appliance.discovery.table_query import (
    COLUMNS_AT_ONCE,
    ROWS_PLACE,
    query_together,
    sampled_percent,
    table_queries,
)
from appliance.errors import ApplianceError
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.matching.patterns import parse_pattern

Session = Connection[TupleRow]
TableName = tuple[str, str]

Counted = tuple[str, str, int, int, int]
"""Path, shape, values, different ones, wordy ones."""

ROWS = 500
"""Of a table, at most."""
SEED = 1
STATEMENT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 1
TABLES_AT_ONCE = 30
"""Small ones, in one query."""
_PARTITIONS = 4
"""Of a partitioned table, spread over all of them."""
ADULT_YEARS = 15
_MOST_RECONNECTS = 3
NO_RIGHT = "the role may not read it"
SHARDED = "Citus keeps its rows in shards"
ROW_SECURITY = "row-level security hides rows of it from the role"
_WHY = {
    "42501": NO_RIGHT,
    "55P03": "it is locked by another session",
    "57014": f"it took longer than {STATEMENT_TIMEOUT_S} seconds",
    "42P01": "it is not there any more",
    "42703": "it has changed meanwhile",
    "40001": "the standby had to go on",
}


class Sampler:
    """Reads samples on a session; opens another one where that has died."""

    def __init__(
        self,
        connect: Callable[[], Session],
        encoding: str,
        rows: int = ROWS,
        seed: int = SEED,
        but: Mapping[TableName, str] | None = None,
    ) -> None:
        """``but``: by table what is true, over the alias ``t``, of rows that are not looked at."""
        self._connect, self._session = connect, connect()
        self._encoding, self._rows = encoding, rows
        self.seed = seed
        self._but = but or {}
        self._reconnects = 0
        self.rows_seen = 0
        self._comments: Comments | None = None
        self._ahead: dict[TableName, tuple[int, list[tuple[str, Counted]]]] = {}

    def close(self) -> None:
        """End the session."""
        with suppress(psycopg.Error):
            self._session.close()

    def comment_on(self, table: Table, column: str) -> str:
        """What the source says of a column; of a partition's, also what it says of the root's."""
        if self._comments is None:
            self._comments = read_comments(self._session)
        found = (self._comments.get((*name, column), "") for name in table.all_names)
        return next(filter(None, found), "")

    def counts(self, table: Table, into: dict[str, ColumnCounts]) -> str:
        """Add what a table's sample shows, by column; why it could not be looked at, or nothing."""
        if not table.readable:
            return NO_RIGHT
        if table.row_security:
            return ROW_SECURITY
        if table.sharded:
            return SHARDED
        try:
            self._look(table, into)
        except psycopg.Error as error:
            return self._why(error)
        return ""

    def look_ahead(self, tables: Iterable[Table]) -> None:
        """Look at small tables together, so that ``counts`` has them at hand; it looks at the rest itself."""
        self._ahead.clear()
        small = [table for table in tables if table.whole and sampled_percent(table, self._rows) is None]
        for group in _groups(small):
            try:
                self._look_at_all(group)
            except psycopg.Error as error:
                # Each is looked at by itself then, and says why; on a new session, if this one is gone.
                self._why(error)

    def _look_at_all(self, tables: Sequence[Table]) -> None:
        query, places = query_together(tables, self._rows, self.seed, self._encoding, self._but)
        rows = [0] * len(tables)
        found: list[list[tuple[str, Counted]]] = [[] for _ in tables]
        for place, *counted in count_values(self._session, query, self._encoding):
            number, column = places[place]
            if column is None:
                rows[number] = counted[2]
            else:
                found[number].append((column.name, tuple(counted)))
        for table, seen, of_columns in zip(tables, rows, found, strict=True):
            self._ahead[table.schema_name, table.name] = (seen, of_columns)

    def _look(self, table: Table, into: dict[str, ColumnCounts]) -> None:
        known = self._ahead.pop((table.schema_name, table.name), None)
        if known is not None:
            seen, of_columns = known
            for column in table.columns:
                if is_looked_at(table, column):
                    into.setdefault(column.name, ColumnCounts())
            for name, counted in of_columns:
                into[name].add(*counted)
            self.rows_seen += seen
            return
        seen = self._ask(table, into, whole=False)
        if not seen and sampled_percent(table, self._rows) is not None:
            # A sample of pages may be of empty ones.
            seen = self._ask(table, into, whole=True)
        self.rows_seen += seen

    def _ask(self, table: Table, into: dict[str, ColumnCounts], *, whole: bool) -> int:
        rows = 0
        but = self._but.get((table.schema_name, table.name))
        for query in table_queries(table, self._rows, self.seed, self._encoding, whole=whole, but=but):
            for column in query.columns:
                into.setdefault(column.name, ColumnCounts())
            for place, path, shape, values, different, wordy in count_values(
                self._session, query.sql, self._encoding
            ):
                if place == ROWS_PLACE:
                    rows = values
                else:
                    into[query.columns[place].name].add(path, shape, values, different, wordy)
        return rows

    def _why(self, error: psycopg.Error) -> str:
        """For people; with a new session where the old one is gone."""
        known = _WHY.get(error.sqlstate or "")
        if known is not None:
            return known
        if self._session.closed or self._session.broken:
            if self._reconnects >= _MOST_RECONNECTS:
                return "the connection broke"
            self._reconnects += 1
            with suppress(psycopg.Error, ApplianceError):
                self._session = self._connect()
            return "the connection broke"
        return f"the server refused it (SQLSTATE {error.sqlstate})"


def count_values(session: Session, query: str, encoding: str) -> Iterable[TupleRow]:
    """Run one query of ``table_queries`` in a transaction (or savepoint) of its own."""
    limit = str(datetime.now(UTC).year - ADULT_YEARS)
    # Undone, so that nothing of it stays in a transaction around this one.
    with session.transaction(force_rollback=True):
        # Where a scan of a large table begins does not depend on what other sessions read.
        session.execute("SET LOCAL synchronize_seqscans = off")
        session.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        session.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
        return session.execute(
            query.encode(), {"limit_year": limit, "names": known_names(encoding)}
        ).fetchall()


def scan(
    connection: str,
    catalog: Catalog,
    sampler: Sampler,
    *,
    patterns: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Scan:
    """Look at all tables that one of the patterns matches, all where there are none."""
    families = _families(catalog, patterns)
    findings: list[Finding] = []
    missed: list[NotLookedAt] = []
    looked_at = list(families.items())
    for number, (root, members) in enumerate(looked_at):
        if number % TABLES_AT_ONCE == 0:
            some = looked_at[number : number + TABLES_AT_ONCE]
            sampler.look_ahead(table for _, each in some for table in sampled_tables(each))
        found, why = look_at(members, sampler)
        findings += found
        if why:
            missed.append(NotLookedAt(schema_name=root[0], table_name=root[1], why=why))
        progress(number + 1, len(families))
    return Scan(
        connection=connection,
        seed=sampler.seed,
        tables=len(families),
        rows=sampler.rows_seen,
        findings=tuple(findings),
        not_looked_at=tuple(missed),
    )


def sampled_tables(members: Sequence[Table], only: Collection[str] | None = None) -> list[Table]:
    """The tables whose rows stand for all of a family, with the columns that are asked for."""
    leaves = [table for table in members if table.kind in ("table", "unlogged")]
    step = max(1, len(leaves) // _PARTITIONS)
    return [_narrowed(table, only) for table in leaves[::step][:_PARTITIONS]]


def look_at(
    members: Sequence[Table], sampler: Sampler, only: Collection[str] | None = None
) -> tuple[list[Finding], str]:
    """The findings of a table and its partitions, which are one; and why its values were not looked at."""
    leaves = [table for table in members if table.kind in ("table", "unlogged")]
    facts = leaves[0] if leaves else members[0]
    counts: dict[str, ColumnCounts] = {}
    reasons = [sampler.counts(table, counts) for table in sampled_tables(members, only)]
    why = next(filter(None, reasons), "") if leaves else _without_rows(facts)
    findings = [
        judge(
            facts,
            column,
            counts.get(column.name) if is_looked_at(facts, column) else None,
            why,
            sampler.comment_on(facts, column.name),
        )
        for column in facts.columns
        if only is None or column.name in only
    ]
    return findings, why


def _groups(tables: Sequence[Table]) -> Iterable[list[Table]]:
    """Tables that are looked at together: few enough columns for one query, and no lock on very many."""
    group: list[Table] = []
    columns = 0
    for table in tables:
        if group and (len(group) == TABLES_AT_ONCE or columns + len(table.columns) > COLUMNS_AT_ONCE):
            yield group
            group, columns = [], 0
        if len(table.columns) <= COLUMNS_AT_ONCE:
            group.append(table)
            columns += len(table.columns)
    if group:
        yield group


def _narrowed(table: Table, only: Collection[str] | None) -> Table:
    if only is None:
        return table
    return table.model_copy(update={"columns": tuple(each for each in table.columns if each.name in only)})


def _without_rows(table: Table) -> str:
    if table.kind == "foreign":
        return "its rows are on another server, and are not copied"
    return "it has no partition"


def _families(catalog: Catalog, patterns: Sequence[str]) -> dict[TableName, list[Table]]:
    """Tables by their root's name, in the catalog's order."""
    wanted = [parse_pattern(text, 2) for text in patterns]
    families: dict[TableName, list[Table]] = defaultdict(list)
    for table in catalog.tables:
        if not wanted or any(pattern.matches(*name) for pattern in wanted for name in table.all_names):
            families[table.all_names[-1]].append(table)
    return dict(families)
