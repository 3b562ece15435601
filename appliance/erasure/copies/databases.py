"""Counting and removing a subject's rows in one database."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.erasure.finding import FoundSubject, setting_name, table_sql
from appliance.erasure.masked import Masked, key_text, own_row, raw_anchor, raw_own, raw_settings
from appliance.erasure.reach import Ways
from appliance.erasure.statements import Change, changes
from appliance.errors import RefusedError
from appliance.subjects.conditions import Anchor, Known, equals, rows_about, rows_referring
from appliance.subjects.records import TableCount
from appliance.subjects.walk import LinkedTable, Unlinked, Walk
from appliance.workflow.catalog import Column

_MATERIALIZED = """
SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND c.relispopulated AND pg_has_role(c.relowner, 'USAGE') ORDER BY c.oid
"""


class InCopy:
    """What is done in a copy, where the subject is known by masked values and keys of rows."""

    def __init__(self, walked: Walk, ways: Ways, masked: Masked) -> None:
        self._walked, self._ways, self._masked = walked, ways, masked
        places = list(masked.anchors)
        self._numbers = {place: number for number, place in enumerate(places)}

    @property
    def settings(self) -> dict[str, str]:
        """What the session's start-up packet has to set."""
        return raw_settings({str(number): text for number, text in enumerate(self._masked.anchors.values())})

    def prepare(self, session: Connection[TupleRow]) -> None:
        """Bring the keys of rows into temporary tables, which end with the session. psycopg errors pass."""
        for number, (table, keys) in enumerate(self._masked.keys.items()):
            columns = ", ".join(f"k{place} text" for place, _ in enumerate(self._ways.keys[table]))
            session.execute(f"CREATE TEMPORARY TABLE appliance_gone_{number} ({columns})".encode())
            # Rows of a COPY are in no log of statements.
            with session.cursor().copy(f"COPY pg_temp.appliance_gone_{number} FROM STDIN".encode()) as copy:
                for key in keys:
                    copy.write_row(key)

    def changes(self) -> list[Change]:
        """In order."""
        return changes(self._walked, self._condition, self._referring, in_source=False)

    def _condition(self, table: LinkedTable) -> str | None:
        if table.name not in self._ways.found:
            return None
        return rows_about(self._walked, table.name, self._anchor, known=self._known)

    def _referring(self, unlinked: Unlinked) -> str | None:
        if unlinked not in self._ways.unlinked:
            return None
        return rows_referring(self._walked, unlinked, self._anchor, self._known)

    @property
    def _anchor(self) -> Anchor:
        def anchor(value: str, column: Column, root_column: str) -> str:  # noqa: ARG001
            place = (f"{column.schema_name}.{column.table_name}", column.name)
            if place not in self._numbers:
                return "false"
            return equals(value, column, self._masked.anchors[place], setting_name(self._numbers[place]))

        return anchor

    @property
    def _known(self) -> dict[str, Known]:
        found: dict[str, Known] = {}
        if self._ways.own != (self._walked.subject.key,):
            found[self._walked.root.name] = own_row(self._walked, self._ways.own, self._anchor)
        for number, table in enumerate(self._masked.keys):
            found[table] = self._by_key(table, number)
        return found

    def _by_key(self, table: str, number: int) -> Known:
        listed = self._walked.tables[table]
        columns = [listed.column(each.name) for each in self._ways.keys[table]]

        def condition(alias: str) -> str:
            pairs = [f"g.k{place} = {text}" for place, text in enumerate(key_text(alias, columns))]
            return f"EXISTS (SELECT FROM pg_temp.appliance_gone_{number} AS g WHERE {' AND '.join(pairs)})"

        return condition


class InSource:
    """What is done in the source, where the subject is known by its own values."""

    def __init__(self, walked: Walk, found: FoundSubject) -> None:
        self._walked, self._found = walked, found

    @property
    def settings(self) -> dict[str, str]:
        """What the session's start-up packet has to set."""
        return raw_settings(self._found.values)

    def changes(self) -> list[Change]:
        """In order."""
        anchor, known = raw_anchor(self._found), raw_own(self._walked, self._found)
        return changes(
            self._walked,
            lambda table: rows_about(self._walked, table.name, anchor, known=known),
            lambda each: rows_referring(self._walked, each, anchor, known),
            in_source=True,
        )


def count(session: Connection[TupleRow], wanted: Sequence[Change]) -> list[TableCount]:
    """How many rows there are to change, of tables where there are any. psycopg errors pass."""
    found = []
    for each in wanted:
        ((rows,),) = session.execute(each.count.encode()).fetchall()
        if rows and each.change is not None:
            found.append(TableCount(table=each.table, before=rows, after=rows))
    return found


def change(
    session: Connection[TupleRow], wanted: Sequence[Change], most: int, place: str
) -> list[TableCount]:
    """Change them, in the caller's transaction; the counts before and after.

    Raises RefusedError, with nothing changed, where there are more than ``most``. psycopg errors pass.
    """
    before = count(session, wanted)
    total = sum(each.before for each in before)
    if total > most:
        raise too_many(place, total, most)
    for each in wanted:
        if each.change is not None:
            session.execute(each.change.encode())
    left = {each.table: each.before for each in count(session, wanted)}
    return [each.model_copy(update={"after": left.get(each.table, 0)}) for each in before]


def too_many(place: str, total: int, most: int) -> RefusedError:
    """More rows are about the subject than it may be."""
    return RefusedError(
        f"In {place} {total:,} rows are about the subject, and max_rows is {most:,}.",
        "A link in subjects.yaml may lead to other people's rows. Nothing was changed there.",
        "Look at the counts: appliance erasure plan; then raise max_rows in subjects.yaml.",
        rule="max_rows",
    )


def refresh_views(session: Connection[TupleRow]) -> int:
    """Compute the materialised views anew, which hold copies of rows. psycopg errors pass."""
    views = session.execute(_MATERIALIZED).fetchall()
    for schema, name in views:
        session.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name)))
    return len(views)


def clean_up(session: Connection[TupleRow], walked: Walk, changed: Sequence[TableCount]) -> None:
    """Have the server forget removed rows: what stood on their pages, and in its statistics."""
    names = {each.table for each in changed if each.before > each.after}
    for table in walked.tables.values():
        if table.name in names:
            session.execute(f"VACUUM (ANALYZE) {table_sql(table.table)}".encode())
