"""``try_connection``: log in as runs do, and judge the session. Tables are neither read nor written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WorkFailedError
from appliance.postgres.errors import database_failure
from appliance.postgres.login_errors import NoDatabaseError
from appliance.postgres.sessions.session_checks import judge_session, read_session
from appliance.steps.calling.context import StepContext
from appliance.steps.records.look_files import TRIED
from appliance.steps.records.tried_connection import TriedConnection
from appliance.system.findings import Finding

_SESSIONS = 3
"""Of the smallest run: one that copies, and two beside it."""


def run(context: StepContext) -> TriedConnection:
    """Write what was found. Raises our errors where no login works, or the server cannot take a run."""
    name = context.spec.workflow.source
    with closing(_log_in(context, name)) as session:
        try:
            findings = judge_session(read_session(session), _SESSIONS)
        except psycopg.Error as error:
            raise database_failure(
                f"The server of the connection '{name}' could not be asked.", error
            ) from None
    checks = [("login", "ok"), *((each.check, each.state) for each in findings)]
    tried = TriedConnection.model_validate(
        {"checks": [{"check": check, "state": how} for check, how in checks]}
    )
    TRIED.write(context.run_dir, tried)
    if not tried.works:
        raise _unfit(name, [each for each in findings if each.state == "fail"])
    return tried


def _log_in(context: StepContext, name: str) -> Connection[TupleRow]:
    try:
        return context.connect_source()
    except NoDatabaseError:
        # A twin that no run has made yet: its server is what counts.
        return context.connect_admin(name)


def _unfit(name: str, failing: Sequence[Finding]) -> WorkFailedError:
    return WorkFailedError(
        f"The connection '{name}' can be logged in to, and no run can work with it.",
        " ".join(each.what for each in failing),
        f"appliance connections check {name}",
    )
