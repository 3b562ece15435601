"""Writing the state of runs, each change together with the event that reports it, in one transaction.

A change that is none (the state is already so, or already final) writes nothing and reports nothing, so the
listener, the operator and the reconciliation may all report the same thing and it is sent once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from appliance.contract.events import RunPlanned, RunStarted, StepChanged, TableProgress
from appliance.contract.fitting import fitting, shown_name
from appliance.contract.step_messages import Failure, Progress
from appliance.store.database import Connection, connect
from appliance.store.events import append_event, failure_report
from appliance.store.rows import Origin, RunState, StepState, StopNote, Trigger, stored_failure
from appliance.store.run_totals import finished_run, outcome_of

__all__ = ["RunState", "RunStore", "StepData", "StepState", "Trigger"]
StepData = dict[str, Any]
"""JSON of a step: its result, or its plan in numbers."""

NO_SHARD = -1
_MAX_NOTICES = 200

Value = TypeVar("Value")


class RunStore:
    """One process's way to write run state. Opens its connection when first needed and again after a loss.

    Every method raises psycopg.Error when the database is away; a caller inside a run uses ``attempt``,
    because losing this database must never fail a run.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo)
        return self._connection

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def attempt(self, action: Callable[[], Value]) -> Value | None:
        """Do it, or give up quietly when the database is away; the next attempt connects afresh."""
        try:
            return action()
        except (psycopg.Error, OSError):
            self.close()
            return None

    def run_queued(
        self,
        run_id: str,
        workflow: str,
        *,
        airflow_run_id: str | None,
        origin: Origin,
        trigger: Trigger,
        command_id: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """A run was asked for. False when it was known already."""
        return bool(
            self.connection.execute(
                "INSERT INTO appliance.run"
                " (run_id, workflow, airflow_run_id, origin, trigger, command_id, state, queued_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'queued', coalesce(%s, now())) ON CONFLICT DO NOTHING",
                [run_id, workflow, airflow_run_id, origin, trigger, command_id, at],
            ).rowcount
        )

    def run_started(self, run_id: str, *, at: datetime | None = None) -> bool:
        """A queued run began."""
        with self.connection.transaction():
            row = self.connection.execute(
                "UPDATE appliance.run"
                " SET state = 'running', started_at = coalesce(%s, now()), updated_at = now()"
                " WHERE run_id = %s AND state = 'queued'"
                " RETURNING workflow, trigger, origin, command_id::text",
                [at, run_id],
            ).fetchone()
            if row:
                append_event(self.connection, fitting(RunStarted, {"run_id": run_id, **row}))
            return row is not None

    def run_planned(self, run_id: str, payload: StepData, parts: dict[str, int]) -> None:
        """What the plan says, in numbers and table names; ``parts`` is how many pieces each table has."""
        with self.connection.transaction():
            plan = payload | {"tables": [t | {"parts": parts.get(t["table"], 1)} for t in payload["tables"]]}
            self.connection.execute(
                "UPDATE appliance.run SET plan = %s WHERE run_id = %s", [Jsonb(plan), run_id]
            )
            tables = [table | {"table": shown_name(table["table"])} for table in payload["tables"]]
            event = fitting(RunPlanned, payload | {"run_id": run_id, "tables": tables})
            append_event(self.connection, event)

    def run_ended(
        self,
        run_id: str,
        state: Literal["succeeded", "failed"],
        *,
        failure: Failure | None = None,
        at: datetime | None = None,
    ) -> RunState | None:
        """A run ended: the state it got, or None when that was known already.

        One that was asked to stop and did not succeed is cancelled; one whose step was refused is refused.
        """
        with self.connection.transaction():
            row = self.connection.execute(
                "SELECT workflow, stop_requested, queued_at, started_at, coalesce(%s, now()) AS ended_at"
                " FROM appliance.run WHERE run_id = %s AND state IN ('queued', 'running') FOR UPDATE",
                [at, run_id],
            ).fetchone()
            if row is None:
                return None
            failure = (failure or self._first_failure(run_id)) if state == "failed" else None
            outcome = outcome_of(state, failure, row["stop_requested"])
            self.connection.execute(
                "UPDATE appliance.run SET state = %s, failure = %s, ended_at = %s, updated_at = now()"
                " WHERE run_id = %s",
                [outcome, _json(failure), row["ended_at"], run_id],
            )
            self.connection.execute(
                "UPDATE appliance.step SET state = %s, ended_at = %s"
                " WHERE run_id = %s AND state IN ('running', 'retrying')",
                [
                    "cancelled" if outcome == "cancelled" else "failed",
                    row["ended_at"],
                    run_id,
                ],
            )
            seconds = (row["ended_at"] - (row["started_at"] or row["queued_at"])).total_seconds()
            report = failure_report(failure) if failure else None
            append_event(
                self.connection,
                finished_run(
                    self.connection, run_id, row["workflow"], outcome, max(seconds, 0.0), failure=report
                ),
            )
            return outcome

    def stop_requested(self, run_id: str, request: StopNote) -> bool:
        """Note that a run was asked to stop; the first request is the one that counts."""
        return bool(
            self.connection.execute(
                "UPDATE appliance.run SET stop_requested = %s, updated_at = now()"
                " WHERE run_id = %s AND stop_requested IS NULL AND state IN ('queued', 'running')",
                [Jsonb(asdict(request)), run_id],
            ).rowcount
        )

    def step_started(
        self, run_id: str, step: str, shard: int | None, attempt: int, *, at: datetime | None = None
    ) -> bool:
        """A step began, for the first time or again (``attempt`` counts from 1)."""
        with self.connection.transaction():
            changed = self.connection.execute(
                "INSERT INTO appliance.step AS s (run_id, step, shard, attempt, state, started_at)"
                " SELECT %(run_id)s, %(step)s, %(shard)s, %(attempt)s, 'running', coalesce(%(at)s, now())"
                "   WHERE EXISTS (SELECT FROM appliance.run WHERE run_id = %(run_id)s)"
                " ON CONFLICT (run_id, step, shard) DO UPDATE"
                "   SET state = 'running', attempt = excluded.attempt,"
                "   ended_at = NULL, failure = NULL, started_at = excluded.started_at"
                "   WHERE s.attempt < excluded.attempt",
                {"run_id": run_id, "step": step, "shard": _shard(shard), "attempt": attempt, "at": at},
            ).rowcount
            if changed:
                self._step_changed(run_id, step, shard, state="running", attempt=attempt)
            return bool(changed)

    def step_ended(
        self,
        run_id: str,
        step: str,
        shard: int | None,
        state: StepState,
        *,
        result: StepData | None = None,
        failure: Failure | None = None,
        at: datetime | None = None,
    ) -> bool:
        """A step ended, or will be tried again (``retrying``)."""
        with self.connection.transaction():
            row = self.connection.execute(
                "INSERT INTO appliance.step AS s (run_id, step, shard, state, ended_at, result, failure)"
                " SELECT %(run_id)s, %(step)s, %(shard)s, %(state)s, coalesce(%(at)s, now()), %(result)s,"
                "        %(failure)s WHERE EXISTS (SELECT FROM appliance.run WHERE run_id = %(run_id)s)"
                " ON CONFLICT (run_id, step, shard) DO UPDATE SET state = excluded.state,"
                "   ended_at = excluded.ended_at, result = coalesce(excluded.result, s.result),"
                "   failure = excluded.failure"
                "   WHERE s.state IN ('running', 'retrying') AND s.state <> excluded.state"
                " RETURNING attempt, extract(epoch FROM ended_at - started_at)::float8 AS seconds",
                {
                    "run_id": run_id,
                    "step": step,
                    "shard": _shard(shard),
                    "state": state,
                    "at": at,
                    "result": Jsonb(result) if result is not None else None,
                    "failure": _json(failure),
                },
            ).fetchone()
            if row is None:
                self._add_result(run_id, step, shard, result)
                return False
            self._step_changed(run_id, step, shard, state=state, **row)
            return True

    def progress(self, run_id: str, messages: Iterable[Progress], *, tell: bool = False) -> None:
        """Keep the newest progress of each table; an event if ``tell`` says so or the table is done."""
        with self.connection.transaction():
            for message in messages:
                changed = self.connection.execute(
                    "INSERT INTO appliance.progress AS p (run_id, step, shard, table_name, part, rows,"
                    "   rows_expected, bytes, done)"
                    " SELECT %(run_id)s, %(step)s, %(shard)s, %(table)s, %(part)s, %(rows)s,"
                    "   %(rows_expected)s, %(bytes)s, %(done)s"
                    " WHERE EXISTS (SELECT FROM appliance.run WHERE run_id = %(run_id)s)"
                    " ON CONFLICT (run_id, step, shard, table_name, part) DO UPDATE SET rows = excluded.rows,"
                    "   rows_expected = coalesce(excluded.rows_expected, p.rows_expected),"
                    "   bytes = excluded.bytes, done = excluded.done, updated_at = now()"
                    "   WHERE (p.rows, p.bytes, p.done) IS DISTINCT FROM"
                    "         (excluded.rows, excluded.bytes, excluded.done)",
                    {
                        "run_id": run_id,
                        "step": message.step,
                        "shard": _shard(message.shard),
                        "table": message.table or "",
                        "part": message.part or "",
                        **message.model_dump(include={"rows", "rows_expected", "bytes", "done"}),
                    },
                ).rowcount
                if changed and (tell or message.done):
                    table = shown_name(message.table) if message.table else None
                    fields = message.model_dump(exclude={"type"}) | {"run_id": run_id, "table": table}
                    append_event(self.connection, fitting(TableProgress, fields))

    def notice(self, run_id: str, step: str, text: str) -> None:
        """Something a person should know, kept once. Its text stays on the appliance."""
        self.connection.execute(
            "INSERT INTO appliance.notice (run_id, step, text)"
            " SELECT %(run_id)s, %(step)s, %(text)s"
            "   WHERE EXISTS (SELECT FROM appliance.run WHERE run_id = %(run_id)s)"
            "     AND (SELECT count(*) FROM appliance.notice WHERE run_id = %(run_id)s) < %(most)s"
            " ON CONFLICT DO NOTHING",
            {"run_id": run_id, "step": step, "text": text, "most": _MAX_NOTICES},
        )

    def _step_changed(
        self,
        run_id: str,
        step: str,
        shard: int | None,
        *,
        state: StepState,
        attempt: int,
        seconds: float | None = None,
    ) -> None:
        fields = {
            "run_id": run_id,
            "step": step,
            "shard": shard,
            "state": state,
            "attempt": attempt,
            # A clock may have been set back meanwhile.
            "seconds": None if seconds is None else max(seconds, 0.0),
        }
        append_event(self.connection, fitting(StepChanged, fields))

    def _add_result(self, run_id: str, step: str, shard: int | None, result: StepData | None) -> None:
        """The first report that a step is over may have come without its result."""
        if result is not None:
            self.connection.execute(
                "UPDATE appliance.step SET result = %s"
                " WHERE (run_id, step, shard) = (%s, %s, %s) AND result IS NULL",
                [Jsonb(result), run_id, step, _shard(shard)],
            )

    def _first_failure(self, run_id: str) -> Failure | None:
        row = self.connection.execute(
            "SELECT failure FROM appliance.step WHERE run_id = %s AND failure IS NOT NULL"
            " ORDER BY coalesce(failure ->> 'exception', '') = 'Stopped', ended_at LIMIT 1",
            [run_id],
        ).fetchone()
        return stored_failure(row["failure"]) if row else None


def _json(failure: Failure | None) -> Jsonb | None:
    return Jsonb(failure.model_dump(mode="json", exclude={"type"}, exclude_none=True)) if failure else None


def _shard(shard: int | None) -> int:
    return NO_SHARD if shard is None else shard
