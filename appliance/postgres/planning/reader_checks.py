"""What a plan says of the role that reads and of the code that others have it run, as policy wants it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.policy.policy import Policy, Refusal, enforce
from appliance.postgres.planning.foreign_functions import find_foreign_functions, foreign_function_lines
from appliance.postgres.sessions.role_checks import powerful_reader
from appliance.workflow.catalog import Table


@dataclass(frozen=True)
class ReaderFindings:
    lines: tuple[str, ...] = ()
    """Reasons why the run may not start, and ``fixes`` what to type."""
    fixes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_reader(
    source: Connection[TupleRow], policy: Policy, connection: str, tables: Collection[Table]
) -> ReaderFindings:
    """Look at the role of ``connection``, and at functions that reading and copying these tables calls.

    To be asked before any query on the tables is planned: that alone calls what their indexes call. Raises
    RefusedError for functions that policy does not want called; psycopg errors pass.
    """
    found = find_foreign_functions(source, [table.oid for table in tables])
    called = foreign_function_lines(source, found)
    if policy.foreign_functions == "refuse":
        enforce(
            tuple(Refusal("foreign_functions", line) for line in called),
            "Have a superuser of the source own these functions, leave their tables out under tables.exclude,"
            " or ask the owner of policy.yaml.",
        )
    powerful = powerful_reader(source, tables)
    if powerful is None:
        return ReaderFindings(warnings=tuple(called))
    if connection in policy.powerful_roles:
        return ReaderFindings(warnings=(powerful.what, *called))
    statements = (f"  {statement}" for statement in powerful.sql)
    return ReaderFindings(
        lines=(powerful.what,), fixes=(powerful.fix(connection), *statements), warnings=tuple(called)
    )
