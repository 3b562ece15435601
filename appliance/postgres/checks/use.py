"""Whether a connection can be used as workflows use it: read from, written to, and one into the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.identifiers import quoted
from appliance.postgres.planning.problems import missing_privileges, reading_role
from appliance.postgres.planning.space_estimate import target_space
from appliance.postgres.sessions.role_checks import judge_role, powerful_reader, powerful_writer
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.unsupported_objects import find_left_behind
from appliance.postgres.twin.database import OpenDatabase
from appliance.postgres.twin.names import twin_names
from appliance.postgres.twin.target.abilities import read_abilities
from appliance.postgres.twin.target.checks import table_problems, target_problems
from appliance.postgres.twin.target.extension_trial import try_extensions
from appliance.system.disk import readable
from appliance.system.findings import Finding, fail, ok, warn
from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.document import Workflow
from appliance.workflow.matching.rules import match_rules, selected_oids

_MAY_END = """
SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR pg_has_role('pg_signal_backend', 'USAGE')
"""
_INDEXES = 1.5
"""What a table takes in the twin, with its indexes, against its rows in the source."""


def check_reading(
    session: Connection[TupleRow], workflows: Sequence[Workflow], name: str, *, powerful_role: bool
) -> list[Finding]:
    """Every table that the workflows select, with all of its rows, and the role of connection ``name``.

    ``powerful_role`` says that policy lets the role be one. psycopg errors pass.
    """
    catalog = read_catalog(session, lambda _: ())
    tables = {table.oid: table for workflow in workflows for table in _selected(workflow, catalog)}
    role = judge_role(powerful_reader(session, tables.values()), name, allowed=powerful_role)
    return [*role, *_check_tables(session, workflows, catalog, tables.values())]


def _check_tables(
    session: Connection[TupleRow], workflows: Sequence[Workflow], catalog: Catalog, tables: Collection[Table]
) -> list[Finding]:
    ids = ", ".join(workflow.id for workflow in workflows)
    if not tables:
        return [
            warn(
                "read",
                f"No table matches what {ids} select in '{catalog.database}'.",
                "Look at tables.include in the workflow, and at dbname in connections.yaml.",
            )
        ]
    missing = missing_privileges(tables, reading_role(session))
    if not missing:
        return [ok("read", f"All {len(tables)} tables that {ids} select can be read.")]
    return [fail("read", each.what, f"Run {each.whose}:", each.sql) for each in missing]


def check_writing(
    admin: Connection[TupleRow], open_database: OpenDatabase, twin: str, name: str, *, powerful_role: bool
) -> list[Finding]:
    """Building a twin aside and swapping it in as the role of connection ``name``. psycopg errors pass."""
    names = twin_names(twin)
    powerful = powerful_writer(admin, (names.twin, names.next, names.prev, names.gone))
    findings = judge_role(powerful, name, allowed=powerful_role)
    problems = [
        fail("write", problem.what, problem.fix, problem.sql)
        for problem in target_problems(admin, open_database, twin)
    ]
    findings += problems
    role = admin.info.user
    if not problems:
        findings.append(ok("write", f"'{role}' can build the twin '{twin}' and swap it in."))
    if admin.execute(_MAY_END).fetchone() == (True,):
        findings.append(ok("end sessions", f"'{role}' can end sessions that hold the former twin open."))
    else:
        findings.append(
            warn(
                "end sessions",
                f"'{role}' may end its own sessions only: another role's in the twin can hold up the swap.",
                "If others use the twin, run as a superuser of the target:",
                [f"GRANT pg_signal_backend TO {quoted(role)};"],
            )
        )
    return findings


def check_pair(
    workflow: Workflow,
    source: Connection[TupleRow],
    admin: Connection[TupleRow],
    open_database: OpenDatabase,
    twin: str,
) -> list[Finding]:
    """What the target lacks of what a workflow's source has, and its room. psycopg errors pass."""
    catalog = read_catalog(source, partial(selected_oids, workflow))
    tables = [table for table in _selected(workflow, catalog) if table.kind != "partitioned"]
    wanted = [name for name, _ in catalog.extensions]
    trial = twin_names(twin).trial
    abilities = try_extensions(admin, open_database, trial, read_abilities(admin), wanted)
    left_behind = find_left_behind(source, abilities, leave_out=workflow.leave_out)
    findings = [
        fail("extensions", problem.what, problem.fix)
        for problem in table_problems(left_behind, [table.all_names[0] for table in tables])
    ]
    if left_behind.missing_extensions:
        names = ", ".join(left_behind.missing_extensions)
        findings.append(
            warn(
                "extensions",
                f"The twin of {workflow.id} will lack extensions of the source: {names}.",
                "If its users need them, install their packages on the target's server; one that only a"
                " superuser may create stays away.",
            )
        )
    ours, theirs = admin.info.server_version // 10000, catalog.server_version // 10000
    if ours < theirs:
        findings.append(
            warn(
                "version",
                f"The server is PostgreSQL {ours}, older than {workflow.source}, which is {theirs}:"
                " what only the newer one knows cannot be carried.",
                "Upgrade it, if a run stops at the step schema.",
            )
        )
    needed = int(sum(table.bytes for table in tables) * _INDEXES)
    return [*findings, _space(workflow, admin, needed)]


def _selected(workflow: Workflow, catalog: Catalog) -> list[Table]:
    return [each.table for each in match_rules(workflow, catalog).tables]


def _space(workflow: Workflow, admin: Connection[TupleRow], needed: int) -> Finding:
    wanted = f"A twin of {workflow.id} takes about {readable(needed)} while the former one stands beside it"
    space = target_space(admin)
    if space is None:
        return ok("space", f"{wanted}; the server does not tell how much is free.")
    if space.free < needed:
        return warn(
            "space", f"{wanted}; {space.text}.", "Make room on the target's disk before the next run."
        )
    return ok("space", f"{wanted}; {space.text}.")
