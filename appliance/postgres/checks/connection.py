"""Try connections of ``connections.yaml`` as the workflows use them, and say what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.rows import TupleRow

from appliance.connections.database import Connection
from appliance.connections.file import PLACEHOLDER, unchanged_keys
from appliance.errors import ApplianceError
from appliance.policy.policy import Policy
from appliance.postgres.checks.use import check_pair, check_reading, check_writing
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.network_checks import check_network
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.sessions.poolers import PoolerBetweenError
from appliance.postgres.sessions.session_checks import (
    judge_session,
    judge_standby,
    read_session,
    read_standby,
)
from appliance.system.findings import Finding, fail, failed, ok, warn
from appliance.workflow.document import Workflow

APPLICATION_NAME = "appliance connections check"
_BESIDE_COPYING = 2
"""Sessions of a run beside those that copy: the one that holds the snapshot, and one more."""

Session = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class ConnectionReport:
    """One connection, what it is used for, and what was found."""

    name: str
    reads: tuple[Workflow, ...] = ()
    writes: tuple[Workflow, ...] = ()
    delivers: tuple[Workflow, ...] = ()
    """Those that deliver to it, of a bucket."""
    powerful_role: bool = False
    """Policy lets its role be a superuser or its like."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def uses(self) -> str:
        parts = []
        if self.reads:
            parts.append(f"read by {', '.join(workflow.id for workflow in self.reads)}")
        if self.writes:
            parts.append(f"replaced by {', '.join(workflow.id for workflow in self.writes)}")
        if self.delivers:
            parts.append(f"delivered to by {', '.join(workflow.id for workflow in self.delivers)}")
        return ", ".join(parts) or "used by no workflow"


def check_connections(
    connections: Mapping[str, Connection],
    workflows: Sequence[Workflow],
    policy: Policy,
    names: Iterable[str] = (),
) -> list[ConnectionReport]:
    """Check these connections, else all of the file and all that workflows need, several at a time."""
    needed = {name for workflow in workflows for name in workflow.connections}
    wanted = list(names) or list(dict.fromkeys([*connections, *sorted(needed)]))
    reports = [_report(name, workflows, policy) for name in wanted]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda report: _check(report, connections.get(report.name)), reports))
        pairs = list(pool.map(lambda report: _check_pairs(report, connections, found), found))
    return [
        replace(report, findings=report.findings + more) for report, more in zip(found, pairs, strict=True)
    ]


def _report(name: str, workflows: Sequence[Workflow], policy: Policy) -> ConnectionReport:
    return ConnectionReport(
        name,
        reads=tuple(workflow for workflow in workflows if workflow.source == name),
        writes=tuple(workflow for workflow in workflows if name in workflow.connections[1:]),
        powerful_role=name in policy.powerful_roles,
    )


def _check(report: ConnectionReport, connection: Connection | None) -> ConnectionReport:
    if connection is None:
        finding = fail(
            "file",
            f"'{report.name}' is not in connections.yaml.",
            "Add it: appliance connections template WORKFLOW.yaml shows how.",
        )
        return replace(report, findings=[finding])
    if keys := unchanged_keys(connection):
        judge = fail if report.reads or report.writes else warn
        what = f"Still {PLACEHOLDER}: {', '.join(f'{report.name}.{key}' for key in keys)}."
        return replace(report, findings=[judge("file", what, "Fill it in in connections.yaml.")])
    findings = check_network(report.name, connection)
    if not failed(findings):
        findings += _log_in(report, connection)
    return replace(report, findings=findings)


def _log_in(report: ConnectionReport, connection: Connection) -> list[Finding]:
    """As the runs do: to read, the database itself; to write, the server's maintenance database."""
    findings: list[Finding] = []
    if report.reads or not report.writes:
        findings += _with_session(
            report, connection, connection.dbname, lambda session: _reading(report, session)
        )
    if report.writes and not failed(findings):
        later = [finding for finding in findings if finding.check in {"version", "clock"}]
        found = _with_session(
            report,
            connection,
            connection.maintenance_db,
            lambda admin: _writing(report, connection, admin),
        )
        findings += [finding for finding in found if not later or finding.check not in {"version", "clock"}]
    return findings


def _with_session(
    report: ConnectionReport,
    connection: Connection,
    dbname: str,
    check: Callable[[Session], list[Finding]],
) -> list[Finding]:
    try:
        with closing(_open(report.name, connection, dbname, read_only=not report.writes)) as session:
            logged_in = ok("login", f"'{connection.user}' may log in to '{dbname}'.")
            try:
                return [logged_in, *check(session)]
            except psycopg.Error as error:
                raise database_failure("The server could not be asked.", error) from None
    except PoolerBetweenError as error:
        return [fail("pooler", error.why, error.next_step)]
    except ApplianceError as error:
        return [fail("login", error.why or error.what, error.next_step)]


def _reading(report: ConnectionReport, session: Session) -> list[Finding]:
    facts = read_session(session)
    findings = judge_session(facts, _sessions(report.reads))
    if report.reads:
        findings += [
            judge_standby(report.name, read_standby(session)),
            *check_reading(session, report.reads, report.name, powerful_role=report.powerful_role),
        ]
    return findings


def _writing(report: ConnectionReport, connection: Connection, admin: Session) -> list[Finding]:
    def open_database(database: str) -> Session:
        return _open(report.name, connection, database, read_only=False)

    findings = judge_session(read_session(admin), _sessions(report.writes))
    return [
        *findings,
        *check_writing(
            admin, open_database, connection.dbname, report.name, powerful_role=report.powerful_role
        ),
    ]


def _check_pairs(
    report: ConnectionReport, connections: Mapping[str, Connection], reports: Sequence[ConnectionReport]
) -> list[Finding]:
    """What of a workflow's source this target cannot have; only where both can be asked."""
    if failed(report.findings):
        return []
    findings: list[Finding] = []
    for workflow in report.writes:
        source = next((each for each in reports if each.name == workflow.source), None)
        if source is None or failed(source.findings):
            continue
        try:
            findings += _check_pair(workflow, report.name, connections)
        except ApplianceError as error:
            findings.append(fail("login", error.why or error.what, error.next_step))
    return findings


def _check_pair(workflow: Workflow, target: str, connections: Mapping[str, Connection]) -> list[Finding]:
    source, written = connections[workflow.source], connections[target]
    with (
        closing(_open(workflow.source, source, source.dbname, read_only=True)) as reading,
        closing(_open(target, written, written.maintenance_db, read_only=False)) as admin,
    ):
        try:
            return check_pair(
                workflow,
                reading,
                admin,
                lambda database: _open(target, written, database, read_only=False),
                written.dbname,
            )
        except psycopg.Error as error:
            raise database_failure("Source and target could not be compared.", error) from None


def _sessions(workflows: Iterable[Workflow]) -> int:
    return max((workflow.limits.parallel for workflow in workflows), default=0) + _BESIDE_COPYING


def _open(name: str, connection: Connection, dbname: str, *, read_only: bool) -> Session:
    return open_session(
        name,
        libpq_parameters(connection, dbname),
        application_name=APPLICATION_NAME,
        read_only=read_only,
        statement_timeout_s=60,
        lock_timeout_s=5,
    )
