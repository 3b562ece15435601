"""Keeps the store bounded: what is old goes, and what has ended is folded up."""

from __future__ import annotations

import time

from appliance.dashboard.store.access import audit
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.run_history.rows import FoldedProgress, RunKey

EVENTS_PER_APPLIANCE = 20_000
RUNS_PER_APPLIANCE = 1_000
COMMANDS_PER_APPLIANCE = 500
FOLD_AFTER_SECONDS = 3600
UNFINISHED_SECONDS = 86400
"""Parts of a catalog of which the others did not come are kept so long."""
SHARDS_KEPT = 100
"""Step rows by shard that a finished run keeps."""
RUNS_FOLDED_AT_ONCE = 200


def sweep(database: Database, retention_days: int) -> None:
    """One pass. Each part is a transaction of its own, so that nothing waits long behind it."""
    now = time.time()
    oldest = now - retention_days * 86400
    with database.write() as session:
        session.run("DELETE FROM session WHERE expires_at < ?", now)
        session.run("DELETE FROM enrolment WHERE expires_at < ? AND used_at IS NULL", now - 86400)
        session.run("DELETE FROM api_token WHERE coalesce(revoked_at, expires_at, ?) < ?", now, oldest)
        audit.trim(session)
    with database.write() as session:
        session.run("DELETE FROM event WHERE received_at < ?", oldest)
        session.run("DELETE FROM run WHERE changed_at < ? AND latest = 0", oldest)
        session.run("DELETE FROM command WHERE created_at < ?", oldest)
        session.run(
            "DELETE FROM catalog_part WHERE received_at < ? AND scan_id NOT IN (SELECT scan_id FROM catalog)",
            now - UNFINISHED_SECONDS,
        )
    with database.read() as session:
        ids = session.column(str, "SELECT id FROM appliance")
    for appliance_id in ids:
        trim(database, appliance_id)
    with database.write() as session:
        _fold(session, now)


def trim(database: Database, appliance_id: str) -> None:
    """Bound what one appliance, however talkative, can keep in the store."""
    with database.write() as session:
        session.run(
            "DELETE FROM event WHERE appliance_id = ? AND ordinal < (SELECT min(x.ordinal) FROM"
            " (SELECT ordinal FROM event WHERE appliance_id = ? ORDER BY ordinal DESC LIMIT ?) x)",
            appliance_id,
            appliance_id,
            EVENTS_PER_APPLIANCE,
        )
        session.run(
            "DELETE FROM run WHERE appliance_id = ? AND started_at < (SELECT min(x.started_at) FROM"
            " (SELECT started_at FROM run WHERE appliance_id = ? ORDER BY started_at DESC LIMIT ?) x)",
            appliance_id,
            appliance_id,
            RUNS_PER_APPLIANCE,
        )
        session.run(
            "DELETE FROM command WHERE appliance_id = ? AND created_at < (SELECT min(x.created_at) FROM"
            " (SELECT created_at FROM command WHERE appliance_id = ? ORDER BY created_at DESC LIMIT ?) x)",
            appliance_id,
            appliance_id,
            COMMANDS_PER_APPLIANCE,
        )


def _fold(session: Session, now: float) -> None:
    """One progress row a table, and a bounded number of step rows, for runs that ended a while ago."""
    runs = session.all(
        RunKey,
        "SELECT DISTINCT r.appliance_id, r.run_id FROM run r JOIN run_progress p"
        " ON p.appliance_id = r.appliance_id AND p.run_id = r.run_id AND p.piece <> ''"
        " WHERE r.ended_at < ? LIMIT ?",
        now - FOLD_AFTER_SECONDS,
        RUNS_FOLDED_AT_ONCE,
    )
    for run in runs:
        key = (run.appliance_id, run.run_id)
        totals = session.all(
            FoldedProgress,
            "SELECT step, table_name, CAST(sum(rows) AS BIGINT) AS rows,"
            " CAST(sum(rows_expected) AS BIGINT) AS rows_expected, CAST(sum(bytes) AS BIGINT) AS bytes,"
            " min(done) AS done, max(ordinal) AS ordinal FROM run_progress"
            " WHERE appliance_id = ? AND run_id = ? GROUP BY step, table_name",
            *key,
        )
        session.run("DELETE FROM run_progress WHERE appliance_id = ? AND run_id = ?", *key)
        session.many(
            "INSERT INTO run_progress (appliance_id, run_id, step, table_name, piece, rows, rows_expected,"
            " bytes, done, ordinal) VALUES (?, ?, ?, ?, '', ?, ?, ?, ?, ?)",
            [
                (
                    *key,
                    row.step,
                    row.table_name,
                    row.rows,
                    row.rows_expected,
                    row.bytes,
                    row.done,
                    row.ordinal,
                )
                for row in totals
            ],
        )
        session.run(
            "DELETE FROM run_step WHERE appliance_id = ? AND run_id = ? AND shard >= ?", *key, SHARDS_KEPT
        )
        session.run("UPDATE run SET folded = 1 WHERE appliance_id = ? AND run_id = ?", *key)
