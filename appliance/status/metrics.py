"""``/metrics``: what ``/status`` says, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from appliance.status.report import Report, WorkflowState
from appliance.store.workflow_totals import WorkflowTotals
from appliance.system.proc import own_memory_bytes
from appliance.system.prometheus import Metric, Value, counter, gauge, metrics_page

STATES = ("queued", "running")


def metrics(report: Report, totals: Iterable[WorkflowTotals] = ()) -> str:
    """The whole page, from what ``/status`` says and what all runs come to."""
    return metrics_page(chain(_metrics(report), _totals(tuple(totals))))


def _metrics(report: Report) -> Iterator[Metric]:
    current = report.runs.current
    yield gauge("appliance_build_info", "The release.", [({"version": report.version}, 1)])
    yield _one("appliance_healthy", "Whether every part works.", report.healthy)
    yield gauge(
        "appliance_component_up",
        "Whether a part works.",
        [({"component": each.name}, each.state == "ok") for each in report.components],
    )
    yield _one("appliance_start_timestamp_seconds", "When the service began.", report.started_at)
    if current is not None:
        counted = [({"state": state}, sum(run.state == state for run in current)) for state in STATES]
        yield gauge("appliance_runs", "Runs that wait or are under way.", counted)
    yield from _workflows({each.id: each for each in report.workflows if each.id})
    if outbox := report.outbox:
        yield _one("appliance_outbox_events", "Events that wait to be sent.", outbox.waiting)
        yield _one(
            "appliance_outbox_oldest_event_age_seconds",
            "How long the oldest event has waited.",
            outbox.oldest_seconds,
        )
        yield counter(
            "appliance_outbox_dropped_events",
            "Progress events dropped to make room.",
            [({}, outbox.dropped)],
        )
    if dashboard := report.dashboard:
        yield _one("appliance_dashboard_enrolled", "Whether there is a dashboard.", dashboard.enrolled)
        yield _one(
            "appliance_dashboard_last_contact_timestamp_seconds",
            "When the dashboard last answered.",
            dashboard.last_contact_at,
        )
        yield _one(
            "appliance_clock_offset_seconds",
            "How far this clock is ahead of the dashboard's.",
            dashboard.clock_offset_seconds,
        )
    if disk := report.disk:
        yield _one("appliance_disk_size_bytes", "The disk that holds the state.", disk.total_bytes)
        yield _one("appliance_disk_free_bytes", "What is free of it.", disk.free_bytes)
    yield gauge(
        "appliance_certificate_expiry_timestamp_seconds",
        "When the first certificate of a file expires.",
        [({"file": each.file, "used_by": each.used_by}, each.expires_at) for each in report.certificates],
    )
    yield gauge(
        "appliance_twin_published_timestamp_seconds",
        "When a twin that stands was put there.",
        [
            ({"workflow": each.workflow, "connection": each.connection}, each.since)
            for each in report.twins or ()
        ],
    )
    if exports := report.exports:
        yield _one("appliance_exports", "Exports that are kept on this machine.", exports.count)
        yield _one("appliance_exports_bytes", "What they take.", exports.bytes)
    if backup := report.last_backup:
        yield _one(
            "appliance_last_backup_timestamp_seconds", "When a backup was last written here.", backup.at
        )
        yield _one("appliance_last_backup_bytes", "How large it was.", backup.bytes)
    yield _one("process_resident_memory_bytes", "Memory of the status service.", own_memory_bytes())
    yield counter("process_cpu_seconds", "CPU time of the status service.", [({}, time.process_time())])


def _workflows(workflows: dict[str, WorkflowState]) -> Iterator[Metric]:
    def each(name: str, text: str, value: Callable[[WorkflowState], Value]) -> Metric:
        return gauge(name, text, [({"workflow": id_}, value(w)) for id_, w in workflows.items()])

    yield each("appliance_workflow_usable", "Whether it can run.", lambda w: w.state == "active")
    yield each("appliance_workflow_next_run_timestamp_seconds", "When it runs next.", lambda w: w.next_run_at)
    yield each(
        "appliance_workflow_last_success_timestamp_seconds",
        "When its newest run that succeeded ended: since then its twin stands.",
        lambda w: w.last_success_at,
    )
    yield each(
        "appliance_workflow_last_run_success",
        "Whether its last run succeeded.",
        lambda w: w.last_run.state == "succeeded" if w.last_run and w.last_run.ended_at else None,
    )
    yield each(
        "appliance_workflow_last_run_end_timestamp_seconds",
        "When its last run ended.",
        lambda w: w.last_run.ended_at if w.last_run else None,
    )
    yield each(
        "appliance_workflow_last_run_duration_seconds",
        "How long its last run took, so far if it is under way.",
        lambda w: w.last_run.seconds if w.last_run else None,
    )


def _totals(totals: tuple[WorkflowTotals, ...]) -> Iterator[Metric]:
    yield counter(
        "appliance_workflow_runs",
        "Runs that have ended, by how.",
        [({"workflow": each.workflow, "outcome": how}, n) for each in totals for how, n in each.runs.items()],
    )
    yield counter(
        "appliance_workflow_copied_rows",
        "Rows that runs have copied.",
        [({"workflow": each.workflow}, each.rows) for each in totals],
    )
    yield counter(
        "appliance_workflow_copied_bytes",
        "Bytes that runs have copied.",
        [({"workflow": each.workflow}, each.bytes) for each in totals],
    )
    yield gauge(
        "appliance_workflow_step_duration_seconds",
        "How long each step of the newest run that succeeded took.",
        [
            ({"workflow": each.workflow, "step": step}, s)
            for each in totals
            for step, s in each.step_seconds.items()
        ],
    )


def _one(name: str, text: str, value: Value) -> Metric:
    return gauge(name, text, [({}, value)])
