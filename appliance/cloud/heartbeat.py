"""What the appliance reports of itself with every heartbeat, out of what the status service knows."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import appliance
from appliance.cloud.known import KnownDisk, KnownPart, KnownReport, KnownWorkflow
from appliance.cloud.workflows import Taken
from appliance.contract.calls import (
    MAX_WORKFLOWS,
    ComponentReport,
    ConnectionReport,
    DiskReport,
    Heartbeat,
    HostReport,
    OutboxReport,
    WorkflowReport,
)
from appliance.contract.fitting import LONGEST_NAME, shown_name
from appliance.contract.policy_report import MAX_POLICY_NAMES, PolicyReport
from appliance.contract.receipts import ReceiptChain
from appliance.policy.containers import EXPORTS
from appliance.policy.policy import Policy, refuses_kept
from appliance.scrubbing.scrub import Scrubber
from appliance.store.rows import OutboxDepth
from appliance.system.proc import memory_kb

_NAMES = {"airflow_database": "postgres"}
"""Two databases of one server are one part to an observer from outside."""
_PARTS = ("scheduler", "dag_processor", "api_server", "status", "postgres", "docker", "reporting")
_BAD_FIRST = {"down": 0, "degraded": 1, "unknown": 2, "ok": 3}


def heartbeat(
    report: KnownReport,
    *,
    taken: Mapping[str, Taken],
    etag: str | None,
    connections: Mapping[str, str],
    policy: Policy,
    scrubber: Scrubber,
    clock_offset_s: float | None,
    receipts: ReceiptChain | None = None,
) -> Heartbeat:
    """The report. ``report`` is what ``/status`` says; healthy there is proven by asking every part."""
    return Heartbeat(
        sent_at=datetime.now(UTC),
        version=appliance.__version__,
        started_at=report.started_at,
        healthy=report.healthy,
        components=_components(report.components, scrubber),
        workflows=_workflows(report.workflows, taken, scrubber),
        workflows_etag=etag,
        connections=tuple(
            ConnectionReport.model_validate({"name": name, "state": state})
            for name, state in sorted(connections.items())[:200]
        ),
        running=tuple(run.run_id for run in (report.runs.current or ())[:100]),
        host=_host(report.disk),
        outbox=_outbox(report.outbox),
        receipts=receipts,
        policy=_policy(policy),
        certificate_expires_at=min((each.expires_at for each in report.certificates), default=None),
        clock_offset_seconds=clock_offset_s,
    )


def _components(parts: Iterable[KnownPart], scrubber: Scrubber) -> tuple[ComponentReport, ...]:
    shown: dict[str, KnownPart] = {}
    for part in sorted(parts, key=lambda part: _BAD_FIRST[part.state]):
        shown.setdefault(_NAMES.get(part.name, part.name), part)
    return tuple(
        ComponentReport.model_validate(
            {
                "name": name,
                "state": part.state,
                "problem": scrubber.mark(part.problem) if part.problem else None,
            }
        )
        for name, part in shown.items()
        if name in _PARTS
    )


def _workflows(
    files: Iterable[KnownWorkflow], taken: Mapping[str, Taken], scrubber: Scrubber
) -> tuple[WorkflowReport, ...]:
    reports: dict[str, WorkflowReport] = {}
    for file in files:
        if not file.id:
            continue
        ours = taken.get(file.id) if file.origin == "cloud" else None
        problem = file.problem or (ours.problem if ours else None)
        reports[file.id] = WorkflowReport.model_validate(
            {
                "id": file.id,
                "origin": file.origin,
                "state": file.state if ours is None or ours.state == "active" else ours.state,
                "digest": ours.in_force if ours else None,
                "rule": ours.rule if ours else None,
                "problem": scrubber.mark(problem) if problem else None,
                "next_run_at": file.next_run_at,
            }
        )
    for name, entry in taken.items():
        if name not in reports and entry.state != "active":
            reports[name] = WorkflowReport.model_validate(
                {
                    "id": name,
                    "origin": "cloud",
                    "state": entry.state,
                    "rule": entry.rule,
                    "problem": scrubber.mark(entry.problem) if entry.problem else None,
                }
            )
    return tuple(reports.values())[:MAX_WORKFLOWS]


def _outbox(outbox: OutboxDepth | None) -> OutboxReport | None:
    if outbox is None:
        return None
    return OutboxReport(
        waiting=outbox.waiting,
        oldest_seconds=max(outbox.oldest_seconds, 0.0) if outbox.oldest_seconds is not None else None,
        dropped=outbox.dropped,
        rejected=outbox.rejected,
    )


def _policy(policy: Policy) -> PolicyReport:
    return PolicyReport(
        workflows_from_cloud=policy.workflows_from_cloud,
        sql_from_cloud=policy.sql_from_cloud,
        share_catalog=policy.share_catalog,
        # Left out means none for what the cloud writes.
        read=(policy.read or ())[:MAX_POLICY_NAMES],
        write=(policy.write or ())[:MAX_POLICY_NAMES],
        files=EXPORTS in policy.destinations,
        kept_looks_personal="halt" if refuses_kept(policy, "cloud") else "warn",
        max_parallel=policy.max_parallel,
        snapshot_max_min=policy.snapshot_max_min,
        min_interval_min=policy.min_interval_min,
        always_mask=_names(policy.always_mask, policy),
        never_copy=_names(policy.never_copy, policy),
        keep_from_cloud=_names(policy.keep_from_cloud, policy),
        update_channel=policy.updates.channel[:80],
        update_pin=policy.updates.pin,
        update_window=policy.updates.window,
    )


def _names(patterns: tuple[str, ...], policy: Policy) -> tuple[str, ...] | None:
    """Patterns name columns and tables: they leave where names of these may."""
    if policy.share_catalog != "names":
        return None
    # A backslash in a pattern is one there too.
    shown = (each if each.isprintable() else shown_name(each) for each in patterns[:MAX_POLICY_NAMES])
    return tuple(each[:LONGEST_NAME] for each in shown)


def _host(disk: KnownDisk | None) -> HostReport:
    cpus = os.cpu_count()
    return HostReport(
        system=_system(),
        cpus=cpus,
        memory_total_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_used_percent=_memory_used_percent(),
        cpu_percent=min(os.getloadavg()[0] / (cpus or 1) * 100, 100.0),
        disk=DiskReport(total_bytes=disk.total_bytes, free_bytes=disk.free_bytes) if disk else None,
    )


def _system() -> str | None:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return None
    shown = "".join(character for character in name if character.isprintable())[:80]
    return shown or None


def _memory_used_percent() -> float | None:
    """Of the machine's memory, what is not available; None where /proc does not say (a hardened unit)."""
    kilobytes = memory_kb()
    total, available = kilobytes.get("MemTotal", 0), kilobytes.get("MemAvailable", 0)
    return max(0.0, 100 * (1 - available / total)) if total else None
