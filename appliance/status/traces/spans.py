"""A run as OpenTelemetry's protocol has it, in JSON: a trace of one span for the run and one for each step.

Made of the store's rows, not of Airflow's own spans, which hold whatever an exception says. Names, numbers
and times: no text of an error. The ids follow from the run's, so that what is sent twice is one trace.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from pydantic import JsonValue

import appliance
from appliance.store.rows import RunDetails, StepLine
from appliance.system import container_labels

Span = dict[str, JsonValue]
_INTERNAL = 1
_OK, _ERROR = 1, 2
_WRONG = ("failed", "refused")


def trace_of(run: RunDetails, machine: str) -> dict[str, JsonValue]:
    """What is sent for a run that has ended."""
    resource: dict[str, str | int] = {
        "service.name": "appliance",
        "service.version": appliance.__version__,
        "host.name": machine,
    }
    spans: list[JsonValue] = [_run_span(run)]
    spans += [_step_span(run, step) for step in run.steps if step.started_at and step.ended_at]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [
                    {"scope": {"name": "appliance", "version": appliance.__version__}, "spans": spans}
                ],
            }
        ]
    }


def _run_span(run: RunDetails) -> Span:
    known: dict[str, str | int] = {
        container_labels.WORKFLOW: run.workflow,
        container_labels.RUN: run.run_id,
        "appliance.trigger": run.trigger,
        "appliance.origin": run.origin,
        "appliance.outcome": run.state,
        "appliance.tables": len(run.tables),
        "appliance.rows": sum(each.rows for each in run.tables),
        "appliance.bytes": sum(each.bytes for each in run.tables),
    }
    begin = run.queued_at
    return _span(run.run_id, "", f"run {run.workflow}", begin, run.ended_at or begin, run.state, known)


def _step_span(run: RunDetails, step: StepLine) -> Span:
    known: dict[str, str | int] = {
        container_labels.RUN: run.run_id,
        container_labels.STEP: step.step,
        "appliance.attempt": step.attempt,
        "appliance.outcome": step.state,
    }
    if step.shard is not None:
        known["appliance.shard"] = step.shard
    if step.failure is not None and step.failure.sqlstate:
        known["db.response.status_code"] = step.failure.sqlstate
    name = f"{step.step}/{step.shard}/{step.attempt}"
    begin, end = step.started_at, step.ended_at
    if begin is None or end is None:
        raise ValueError("a step that has not ended has no span")
    shown = step.step if step.shard is None else f"{step.step} {step.shard}"
    return {
        **_span(run.run_id, name, shown, begin, end, step.state, known),
        "parentSpanId": _id(run.run_id, "", 8),
    }


def _span(  # noqa: PLR0917
    run_id: str,
    part: str,
    name: str,
    begin: datetime,
    end: datetime,
    state: str,
    known: dict[str, str | int],
) -> Span:
    return {
        "traceId": _id(run_id, "trace", 16),
        "spanId": _id(run_id, part, 8),
        "name": name,
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(begin),
        "endTimeUnixNano": _nanoseconds(max(begin, end)),
        "attributes": _attributes(known),
        "status": {"code": _ERROR if state in _WRONG else _OK},
    }


def _id(run_id: str, part: str, length: int) -> str:
    return hashlib.sha256(f"{run_id}\0{part}".encode()).hexdigest()[: 2 * length]


def _nanoseconds(at: datetime) -> str:
    # In whole microseconds: a float would lose some.
    return str(round(at.timestamp() * 1_000_000) * 1000)


def _attributes(known: dict[str, str | int]) -> list[JsonValue]:
    found: list[Any] = []
    for key, value in known.items():
        shown = {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}
        found.append({"key": key, "value": shown})
    return found
