"""A report as the status service makes it, for tests that change a part of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from appliance.cloud.known import DashboardLink, NotTaken
from appliance.contract.step_messages import Failure
from appliance.status.report import Report, Runs, WorkflowState
from appliance.store.rows import RunDetails, RunLine

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def failure(what: str = "It failed.", **changes: Any) -> Failure:
    return Failure.model_validate({"step": "copy", "exit_code": 1, "retry": False, "what": what, **changes})


def run_line(run_id: str = "w-1", **changes: Any) -> RunLine:
    line = RunLine(
        run_id=run_id,
        workflow=run_id.rpartition("-")[0],
        airflow_run_id="1",
        origin="local",
        trigger="operator",
        state="succeeded",
        queued_at=NOW,
        started_at=None,
        ended_at=None,
        stop_requested=None,
        failure=None,
        seconds=0.0,
    )
    return replace(line, **changes)


def run_details(**changes: Any) -> RunDetails:
    details = RunDetails(**vars(run_line()), plan=None, steps=(), tables=(), progress=(), notices=())
    return replace(details, **changes)


def workflow_state(id_: str | None, **changes: Any) -> WorkflowState:
    state = WorkflowState(
        id=id_,
        title="",
        file=f"{id_}.yaml",
        origin="local",
        state="active",
        problem=None,
        schedule=None,
        timezone="UTC",
        next_run_at=None,
        last_run=None,
    )
    return replace(state, **changes)


def dashboard_link(*not_taken: NotTaken, **changes: Any) -> DashboardLink:
    link = DashboardLink(
        enrolled=True,
        url="https://dashboard.example.com",
        name="Hospital",
        last_contact_at=None,
        clock_offset_seconds=None,
        problem=None,
        not_taken=not_taken,
    )
    return replace(link, **changes)


def report(**changes: Any) -> Report:
    usual = Report(
        version="1.0.0",
        now=NOW,
        started_at=NOW,
        healthy=True,
        reasons=(),
        components=(),
        workflows=(),
        runs=Runs(current=(), recent=()),
        outbox=None,
        refused=None,
        wanted_release=None,
        release_look=None,
        disk=None,
        dashboard=None,
        certificates=(),
        receipts=None,
    )
    return replace(usual, **changes)
