"""What a session shows of its server and its role, whatever it is used for. Facts first, then judgements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.identifiers import quoted
from appliance.system.findings import Finding, fail, ok, warn

OLDEST, NEWEST = 13, 18
"""Majors that the appliance is tested with."""
CLOCK_S = 2.0
LAG_S = 60.0

_FACTS = """
SELECT current_setting('server_version_num')::int, clock_timestamp(), r.rolname::text, r.rolsuper,
       r.rolconnlimit, current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
FROM pg_roles AS r WHERE r.rolname = current_user
"""
_STANDBY = """
SELECT pg_is_wal_replay_paused(), current_setting('hot_standby_feedback')::bool,
       current_setting('max_standby_streaming_delay'),
       EXISTS (SELECT FROM pg_stat_wal_receiver),
       CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
            AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
       ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8, 0) END
"""


@dataclass(frozen=True)
class SessionFacts:
    """A server and a role."""

    version: int
    """As ``server_version_num``."""
    clock_ahead_s: float
    """The server's clock against this machine's; the time that asking took may be in it."""
    asking_took_s: float
    role: str
    superuser: bool
    role_limit: int
    """Sessions the role may have; -1 for any number."""
    free_slots: int


@dataclass(frozen=True)
class StandbyFacts:
    """A server that replays another one's changes."""

    paused: bool
    feedback: bool
    longest_delay: str
    streaming: bool
    lag_s: float
    """Since the last replayed change, unless everything that came has been replayed."""


def read_session(session: Connection[TupleRow]) -> SessionFacts:
    """Ask the server; its clock is compared with the middle of the round trip. psycopg errors pass."""
    before = datetime.now(UTC)
    row = session.execute(_FACTS).fetchone()
    after = datetime.now(UTC)
    assert row is not None  # noqa: S101 - the session's own role is there
    version, clock, role, superuser, limit, most, reserved, used = row
    took = after - before
    return SessionFacts(
        version=version,
        clock_ahead_s=(clock - (before + took / 2)).total_seconds(),
        asking_took_s=took.total_seconds(),
        role=role,
        superuser=superuser,
        role_limit=limit,
        free_slots=most - reserved - used,
    )


def read_standby(session: Connection[TupleRow]) -> StandbyFacts | None:
    """Ask a standby; None for a server that is none. psycopg errors pass."""
    if session.execute("SELECT pg_is_in_recovery()").fetchone() != (True,):
        return None
    row = session.execute(_STANDBY).fetchone()
    assert row is not None  # noqa: S101
    return StandbyFacts(*row)


def judge_session(facts: SessionFacts, wanted: int) -> list[Finding]:
    """``wanted`` is how many sessions a run holds at a time."""
    return [_version(facts), _clock(facts), _slots(facts, wanted)]


def judge_standby(name: str, facts: StandbyFacts | None) -> Finding:
    """How fresh a source is."""
    if facts is None:
        return ok("standby", "The server is a primary.")
    if facts.paused:
        return warn(
            "standby",
            f"The server is a standby whose replay is paused, {_ago(facts.lag_s)} behind.",
            "As a superuser of the standby:",
            ["SELECT pg_wal_replay_resume();"],
        )
    if facts.lag_s > LAG_S:
        why = "" if facts.streaming else " It is not connected to its primary."
        return warn(
            "standby",
            f"The server is a standby, {_ago(facts.lag_s)} behind: a twin is as old as that.{why}",
            f"Look at the standby's log and replication slot, or point {name}.host at another server.",
        )
    if not facts.feedback:
        return warn(
            "standby",
            "The server is a standby that may end a long query to replay a change"
            f" (hot_standby_feedback is off, max_standby_streaming_delay {facts.longest_delay}).",
            "As a superuser of the standby:",
            ["ALTER SYSTEM SET hot_standby_feedback = on;", "SELECT pg_reload_conf();"],
        )
    return ok("standby", f"The server is a standby, {_ago(facts.lag_s)} behind.")


def _version(facts: SessionFacts) -> Finding:
    major = facts.version // 10000
    if major < OLDEST:
        return fail(
            "version", f"The server is PostgreSQL {major}; {OLDEST} is the oldest supported.", "Upgrade it."
        )
    if major > NEWEST:
        return warn(
            "version",
            f"The server is PostgreSQL {major}, newer than {NEWEST}, the newest this release is tested with.",
            "Look for a newer release of the appliance.",
        )
    return ok("version", f"The server is PostgreSQL {major}.{facts.version % 10000}.")


def _clock(facts: SessionFacts) -> Finding:
    off = abs(facts.clock_ahead_s)
    if off > CLOCK_S + facts.asking_took_s:
        way = "ahead of" if facts.clock_ahead_s > 0 else "behind"
        return warn(
            "clock",
            f"The server's clock is {off:.0f} s {way} this machine's.",
            "Let both follow the same time server: timedatectl timesync-status",
        )
    return ok("clock", "The server's clock and this machine's agree.")


def _slots(facts: SessionFacts, wanted: int) -> Finding:
    if 0 <= facts.role_limit < wanted and not facts.superuser:
        return warn(
            "sessions",
            f"'{facts.role}' may have {facts.role_limit} sessions, and a run wants {wanted}.",
            "Lower limits.parallel in the workflow, or run on the server as a superuser:",
            [f"ALTER ROLE {quoted(facts.role)} CONNECTION LIMIT {wanted};"],
        )
    if facts.free_slots < wanted:
        return warn(
            "sessions",
            f"The server has {max(facts.free_slots, 0)} sessions to give, and a run wants {wanted}.",
            "Lower limits.parallel in the workflow, or raise the server's max_connections.",
        )
    return ok("sessions", f"The server has {facts.free_slots} sessions to give; a run wants {wanted}.")


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
