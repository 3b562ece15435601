"""``/metrics``: what ``/status`` says, in Prometheus' text format (exposition format 0.0.4).

Names follow Prometheus' conventions: base units, ``_total`` for what only grows, moments as
``_timestamp_seconds``. A value that is not known is left out rather than made up.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Labels = dict[str, str]
Sample = tuple[Labels, float | int | bool | datetime | None]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("queued", "running")


def metrics(status: Row) -> str:
    """The whole page, from what ``/status`` says."""
    outbox, disk, dashboard = status["outbox"] or {}, status["disk"] or {}, status["dashboard"] or {}
    current = status["runs"]["current"]
    parts = [
        _metric("appliance_build_info", "gauge", "The release.", [({"version": status["version"]}, 1)]),
        _one("appliance_healthy", "Whether every part works.", status["healthy"]),
        _metric(
            "appliance_component_up",
            "gauge",
            "Whether a part works.",
            [({"component": each["name"]}, each["state"] == "ok") for each in status["components"]],
        ),
        _one("appliance_start_timestamp_seconds", "When the service began.", status["started_at"]),
        _metric(
            "appliance_runs",
            "gauge",
            "Runs that wait or are under way.",
            []
            if current is None
            else [({"state": state}, sum(run["state"] == state for run in current)) for state in STATES],
        ),
        *_workflows([each for each in status["workflows"] if each["id"]]),
        _one("appliance_outbox_events", "Events that wait to be sent.", outbox.get("waiting")),
        _one(
            "appliance_outbox_oldest_event_age_seconds",
            "How long the oldest event has waited.",
            outbox.get("oldest_seconds"),
        ),
        _one(
            "appliance_outbox_dropped_events_total",
            "Progress events dropped to make room.",
            outbox.get("dropped"),
            "counter",
        ),
        _one("appliance_dashboard_enrolled", "Whether there is a dashboard.", dashboard.get("enrolled")),
        _one(
            "appliance_dashboard_last_contact_timestamp_seconds",
            "When the dashboard last answered.",
            dashboard.get("last_contact_at"),
        ),
        _one(
            "appliance_clock_offset_seconds",
            "How far this clock is ahead of the dashboard's.",
            dashboard.get("clock_offset_seconds"),
        ),
        _one("appliance_disk_size_bytes", "The disk that holds the state.", disk.get("total_bytes")),
        _one("appliance_disk_free_bytes", "What is free of it.", disk.get("free_bytes")),
        _metric(
            "appliance_certificate_expiry_timestamp_seconds",
            "gauge",
            "When the first certificate of a file expires.",
            [
                ({"file": each["file"], "used_by": each["used_by"]}, each["expires_at"])
                for each in status["certificates"]
            ],
        ),
        _one("process_resident_memory_bytes", "Memory of the status service.", _resident_bytes()),
        _one("process_cpu_seconds_total", "CPU time of the status service.", time.process_time(), "counter"),
    ]
    return "".join(parts)


def _workflows(workflows: list[Row]) -> Iterable[str]:
    def each(name: str, text: str, value: Any) -> str:
        return _metric(name, "gauge", text, [({"workflow": w["id"]}, value(w)) for w in workflows])

    def last(workflow: Row, key: str) -> Any:
        return (workflow["last_run"] or {}).get(key)

    yield each("appliance_workflow_usable", "Whether it can run.", lambda w: w["state"] == "active")
    yield each(
        "appliance_workflow_next_run_timestamp_seconds", "When it runs next.", lambda w: w["next_run_at"]
    )
    yield each(
        "appliance_workflow_last_run_success",
        "Whether its last run succeeded.",
        lambda w: last(w, "state") == "succeeded" if last(w, "ended_at") else None,
    )
    yield each(
        "appliance_workflow_last_run_end_timestamp_seconds",
        "When its last run ended.",
        lambda w: last(w, "ended_at"),
    )
    yield each(
        "appliance_workflow_last_run_duration_seconds",
        "How long its last run took, so far if it is under way.",
        lambda w: last(w, "seconds"),
    )


def _one(name: str, text: str, value: Any, kind: str = "gauge") -> str:
    return _metric(name, kind, text, [({}, value)])


def _metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples if value is not None]
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{''.join(lines)}" if lines else ""


def _labels(labels: Labels) -> str:
    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'"{escaped}"'

    inner = ",".join(f"{name}={quoted(value)}" for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _number(value: float | bool | datetime) -> str:
    if isinstance(value, datetime):
        return repr(value.timestamp())
    number = float(value)
    return str(int(number)) if number.is_integer() and math.fabs(number) < 2**53 else repr(number)


def _resident_bytes() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except (OSError, ValueError, IndexError):
        return None
