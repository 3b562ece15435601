"""CHECK constraints of tables come after the rows, as foreign keys do: one may look at other tables.

pg_dump writes them into CREATE TABLE. They are taken off again before the first row, and what is needed to
have them back as they were is kept: they are added NOT VALID, which reads no row, and then validated, a table
at a time and several tables at once. One that is inherited is added where it is written, and the server
brings it to the children again. Checks of domains stay where they are. A NOT NULL that only the parent has
goes from the child for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from psycopg import sql
from pydantic import BaseModel, ConfigDict

from appliance.postgres.copying import ledger
from appliance.postgres.identifiers import quoted
from appliance.postgres.no_encoding import bytes_of, rows_in
from appliance.postgres.sessions.parallel_jobs import Session

AT_ONCE = 200
"""Tables that are changed in one transaction: many more would fill the server's lock table."""

# Not those that hold for new rows only already, nor (since PostgreSQL 18) those that are not enforced.
_CHECKS = """
SELECT n.nspname::text, c.relname::text, k.conname::text, pg_get_constraintdef(k.oid), k.conislocal,
    k.coninhcount > 0, c.relkind = 'p', obj_description(k.oid, 'pg_constraint')
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND k.convalidated AND c.relkind IN ('r', 'p') AND n.nspname <> %s
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
ORDER BY 1, 2, 3
"""


_NOT_NULL = """
SELECT n.nspname::text, c.relname::text, a.attname::text
FROM unnest(%s::text[], %s::text[], %s::text[]) AS w (schema_name, table_name, name)
JOIN pg_namespace AS n ON n.nspname = w.schema_name
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.table_name
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = w.name AND a.attnotnull
"""


class LateCheck(BaseModel):
    """A CHECK constraint of one table of the twin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    table: str
    name: str
    definition: str
    """As ``pg_get_constraintdef`` writes it."""
    local: bool
    """It is the table's own, whether or not a table above has it too."""
    inherited: bool
    """A table above has it."""
    partitioned: bool
    """The table holds no rows itself."""
    comment: str | None = None

    @property
    def relation(self) -> tuple[str, str]:
        """(schema, name) of the table."""
        return (self.schema_name, self.table)

    @property
    def tag(self) -> str:
        """As pg_dump names a constraint."""
        return f"{self.table} {self.name}"


def take_off(session: Session) -> tuple[LateCheck, ...]:
    """Drop the checks of all tables, which are empty, and return them. Raises psycopg errors."""
    found = _read(session)
    left = list(found)
    while left:
        # What is inherited goes with the table above it, or is the table's own after that.
        roots = by_table(check for check in left if not check.inherited)
        for tables in _some(list(roots.items())):
            session.execute("; ".join(_drop(relation, checks) for relation, checks in tables).encode())
        before, left = len(left), _read(session)
        if len(left) >= before:
            break
    return tuple(check for check in found if check not in left)


def let_hold_null(session: Session, columns: Iterable[tuple[str, str, str]]) -> None:
    """Take the parent's NOT NULL off columns (schema, table, column), where the server lets children differ.

    PostgreSQL 18 does not any more. Raises psycopg errors.
    """
    wanted = list(columns)
    if not wanted or session.info.server_version >= 180000:
        return
    schemas, tables, names = (list(each) for each in zip(*wanted, strict=True))
    for schema, table, name in session.execute(_NOT_NULL, [schemas, tables, names]).fetchall():
        column = quoted(name)
        session.execute(f"ALTER TABLE ONLY {quoted(schema, table)} ALTER {column} DROP NOT NULL".encode())


def additions(checks: Iterable[LateCheck]) -> list[bytes]:
    """Statements, each for a transaction of its own, that have them all back for new rows."""
    tables = by_table(check for check in checks if check.local or not check.inherited)
    return [
        bytes_of("; ".join(_add(relation, found) for relation, found in some))
        for some in _some(list(tables.items()))
    ]


def validation(relation: tuple[str, str], names: Iterable[str]) -> str:
    """One statement, and one reading of the rows, for all checks of a table."""
    steps = ", ".join(f"VALIDATE CONSTRAINT {quoted(name)}" for name in names)
    return f"ALTER TABLE {quoted(*relation)} {steps}"


def by_table(checks: Iterable[LateCheck]) -> dict[tuple[str, str], list[LateCheck]]:
    """By the tables in which they hold, also where they are inherited."""
    found: dict[tuple[str, str], list[LateCheck]] = {}
    for check in checks:
        found.setdefault(check.relation, []).append(check)
    return found


def _read(session: Session) -> list[LateCheck]:
    rows = rows_in(session, _CHECKS, [ledger.SCHEMA])
    fields = ("schema_name", "table", "name", "definition", "local", "inherited", "partitioned", "comment")
    return [LateCheck(**dict(zip(fields, row, strict=True))) for row in rows]


_Tables = list[tuple[tuple[str, str], list[LateCheck]]]


def _some(tables: _Tables) -> Iterator[_Tables]:
    for start in range(0, len(tables), AT_ONCE):
        yield tables[start : start + AT_ONCE]


def _drop(relation: tuple[str, str], checks: Sequence[LateCheck]) -> str:
    steps = ", ".join(f"DROP CONSTRAINT {quoted(check.name)}" for check in checks)
    return f"ALTER TABLE {quoted(*relation)} {steps}"


def _add(relation: tuple[str, str], checks: Sequence[LateCheck]) -> str:
    table = quoted(*relation)
    steps = ", ".join(f"ADD CONSTRAINT {quoted(check.name)} {check.definition} NOT VALID" for check in checks)
    comments = [
        sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}")
        .format(sql.Identifier(check.name), sql.Identifier(*relation), sql.Literal(check.comment))
        .as_string(None)
        for check in checks
        if check.comment is not None
    ]
    return "; ".join([f"ALTER TABLE {table} {steps}", *comments])
