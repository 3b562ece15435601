"""``/metrics``: what ``/status`` says, as Prometheus reads it.

Names follow Prometheus' conventions: base units, ``_total`` for what only grows, moments as
``_timestamp_seconds``. A value that is not known is left out rather than made up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from appliance.status.report import Report, WorkflowState
from appliance.store.workflow_totals import WorkflowTotals
from appliance.system.proc import own_memory_bytes

Labels = dict[str, str]
Value = float | int | bool | datetime | None
Sample = tuple[Labels, Value]

__all__ = ["CONTENT_TYPE", "metrics"]
STATES = ("queued", "running")


def metrics(report: Report, totals: Iterable[WorkflowTotals] = ()) -> str:
    """The whole page, from what ``/status`` says and what all runs come to."""
    registry = CollectorRegistry()
    registry.register(_Status(report, tuple(totals)))
    return generate_latest(registry).decode()


class _Status(Collector):
    """One answer of ``/status``; read once and thrown away."""

    def __init__(self, report: Report, totals: tuple[WorkflowTotals, ...]) -> None:
        self._report, self._totals = report, totals

    def collect(self) -> Iterator[Metric]:
        """Every metric that has a value."""
        for metric in chain(_metrics(self._report), _totals(self._totals)):
            if metric.samples:
                yield metric


def _metrics(report: Report) -> Iterator[Metric]:
    current = report.runs.current
    yield _gauge("appliance_build_info", "The release.", [({"version": report.version}, 1)])
    yield _one("appliance_healthy", "Whether every part works.", report.healthy)
    yield _gauge(
        "appliance_component_up",
        "Whether a part works.",
        [({"component": each.name}, each.state == "ok") for each in report.components],
    )
    yield _one("appliance_start_timestamp_seconds", "When the service began.", report.started_at)
    if current is not None:
        counted = [({"state": state}, sum(run.state == state for run in current)) for state in STATES]
        yield _gauge("appliance_runs", "Runs that wait or are under way.", counted)
    yield from _workflows({each.id: each for each in report.workflows if each.id})
    if outbox := report.outbox:
        yield _one("appliance_outbox_events", "Events that wait to be sent.", outbox.waiting)
        yield _one(
            "appliance_outbox_oldest_event_age_seconds",
            "How long the oldest event has waited.",
            outbox.oldest_seconds,
        )
        yield _counter(
            "appliance_outbox_dropped_events", "Progress events dropped to make room.", outbox.dropped
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
    yield _gauge(
        "appliance_certificate_expiry_timestamp_seconds",
        "When the first certificate of a file expires.",
        [({"file": each.file, "used_by": each.used_by}, each.expires_at) for each in report.certificates],
    )
    yield _gauge(
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
    yield _counter("process_cpu_seconds", "CPU time of the status service.", time.process_time())


def _workflows(workflows: dict[str, WorkflowState]) -> Iterator[Metric]:
    def each(name: str, text: str, value: Callable[[WorkflowState], Value]) -> Metric:
        return _gauge(name, text, [({"workflow": id_}, value(w)) for id_, w in workflows.items()])

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
    yield _counters(
        "appliance_workflow_runs",
        "Runs that have ended, by how.",
        [({"workflow": each.workflow, "outcome": how}, n) for each in totals for how, n in each.runs.items()],
    )
    yield _counters(
        "appliance_workflow_copied_rows",
        "Rows that runs have copied.",
        [({"workflow": each.workflow}, each.rows) for each in totals],
    )
    yield _counters(
        "appliance_workflow_copied_bytes",
        "Bytes that runs have copied.",
        [({"workflow": each.workflow}, each.bytes) for each in totals],
    )
    yield _gauge(
        "appliance_workflow_step_duration_seconds",
        "How long each step of the newest run that succeeded took.",
        [
            ({"workflow": each.workflow, "step": step}, s)
            for each in totals
            for step, s in each.step_seconds.items()
        ],
    )


def _one(name: str, text: str, value: Value) -> Metric:
    return _gauge(name, text, [({}, value)])


def _gauge(name: str, text: str, samples: Iterable[Sample]) -> Metric:
    return _filled(GaugeMetricFamily(name, text), name, samples)


def _counter(name: str, text: str, value: Value) -> Metric:
    return _counters(name, text, [({}, value)])


def _counters(name: str, text: str, samples: Iterable[Sample]) -> Metric:
    """``name`` without ``_total``, which the format adds."""
    return _filled(CounterMetricFamily(name, text), f"{name}_total", samples)


def _filled(metric: Metric, name: str, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        if value is not None:
            number = value.timestamp() if isinstance(value, datetime) else float(value)
            metric.add_sample(name, labels, number)
    return metric
