"""What there is to notify of, judged from what ``/status`` says. The same report, the same conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from appliance.scrubbing.scrub import Scrubber
from appliance.settings.notify import NoticeKind, NotifySettings
from appliance.status.notifications.condition import HALTS, Condition, Conditions
from appliance.status.report import Report, WorkflowState
from appliance.store.rows import RunLine
from appliance.system.disk import readable

_OF_RUNS: tuple[NoticeKind, ...] = ("run_failed", "run_halted", "run_would_halt", "twin_stale")


def conditions(report: Report, settings: NotifySettings, scrubber: Scrubber | None) -> Conditions:
    """What there is to say. ``scrubber`` knows the connections' secrets; without one no error is quoted."""
    known: set[NoticeKind] = {"certificate_expires"}
    found = list(_certificates(report, settings))
    if report.runs.recent is not None:
        known |= {*_OF_RUNS, "update_refused", "update_failed"}
        found += _runs(report, scrubber)
        found += _would_halt(report)
        found += _stale(report, settings)
        found += _update(report)
    if report.erasures is not None:
        known.add("erasure_waits")
        found += _erasures(report)
    if report.disk is not None:
        known.add("disk_low")
        found += _disk(report)
    return Conditions(tuple(found), frozenset(known))


def _runs(report: Report, scrubber: Scrubber | None) -> Iterator[Condition]:
    """The newest run of each workflow that has come to an end."""
    newest: dict[str, RunLine] = {}
    for run in report.runs.recent or ():
        if run.state not in ("queued", "running", "cancelled"):
            newest.setdefault(run.workflow, run)
    for run in newest.values():
        if run.state == "succeeded":
            continue
        rule = run.failure.rule if run.failure else None
        halted = run.state == "refused" and rule in HALTS
        title = f"{run.workflow} has halted" if halted else f"{run.workflow} has {run.state}"
        yield Condition(
            key=f"run:{run.workflow}",
            kind="run_halted" if halted else "run_failed",
            mark=f"{run.state} {rule} {run.failure.sqlstate if run.failure else ''}",
            title=title,
            text=_why(run, scrubber, halted=halted),
            next_step=f"appliance runs {run.run_id}",
            over=f"{run.workflow} works again",
            workflow=run.workflow,
        )


def _why(run: RunLine, scrubber: Scrubber | None, *, halted: bool) -> str:
    if halted:
        return "A column is neither masked nor kept, or a person has to look at it. No row was copied."
    failure = run.failure
    if failure is None:
        return "The twin is as it was."
    if scrubber is not None:
        return (
            f"{scrubber.clean(failure.what.splitlines()[0] if failure.what else '')} The twin is as it was."
        )
    code = f", SQLSTATE {failure.sqlstate}" if failure.sqlstate else ""
    rule = f", policy rule {failure.rule}" if failure.rule else ""
    return f"It ended in the step {failure.step}{code}{rule}. The twin is as it was."


def _would_halt(report: Report) -> Iterator[Condition]:
    """What the checks for drift have found, until a run has ended or the next check finds otherwise."""
    for workflow in report.workflows:
        check = workflow.drift_check
        if workflow.id is None or check is None or check.outcome != "halts":
            continue
        rule = check.failure.rule if check.failure else None
        at = f" at {workflow.next_run_at:%Y-%m-%d %H:%M} UTC" if workflow.next_run_at else ""
        columns = "A column" if check.uncovered == 1 else f"{check.uncovered:,} columns"
        undecided = (
            f"{columns} of the source {'is' if check.uncovered == 1 else 'are'} neither masked nor kept."
        )
        yield Condition(
            key=f"drift:{workflow.id}",
            kind="run_would_halt",
            mark=f"{rule} {check.uncovered} {' '.join(check.changes)}",
            title=f"The next run of {workflow.id}{at} would halt",
            text=undecided if check.uncovered else "Its plan is refused as the source is now.",
            next_step=f"appliance plan {workflow.file}",
            over=f"{workflow.id} would run",
            workflow=workflow.id,
        )


def _stale(report: Report, settings: NotifySettings) -> Iterator[Condition]:
    if settings.stale_after_h is None:
        return
    for workflow in report.workflows:
        if (
            workflow.id
            and workflow.schedule
            and workflow.state == "active"
            and _is_stale(workflow, report, settings)
        ):
            at = f"{workflow.last_success_at:%Y-%m-%d %H:%M}" if workflow.last_success_at else ""
            yield Condition(
                key=f"stale:{workflow.id}",
                kind="twin_stale",
                mark=at,
                title=f"{workflow.id} has delivered nothing fresh for {settings.stale_after_h} hours",
                text=f"The last run that succeeded ended at {at} UTC.",
                next_step=f"appliance runs --workflow {workflow.id}",
                over=f"{workflow.id} has delivered again",
                workflow=workflow.id,
            )


def _is_stale(workflow: WorkflowState, report: Report, settings: NotifySettings) -> bool:
    limit = timedelta(hours=settings.stale_after_h or 0)
    return workflow.last_success_at is not None and report.now - workflow.last_success_at > limit


def _erasures(report: Report) -> Iterator[Condition]:
    """Without the reference: it is the customer's own, and may say more than a number should."""
    for each in report.erasures or ():
        waits = "is not done: a place is still open" if each.begun else "waits for the appliance's owner"
        yield Condition(
            key=f"erasure:{each.command_id}",
            kind="erasure_waits",
            mark="open" if each.begun else "asked",
            title=f"An erasure that the dashboard asked for {waits}",
            text=f"It was asked for on {each.received_at:%Y-%m-%d %H:%M} UTC.",
            next_step="appliance erasure requests",
            over="An erasure that the dashboard asked for is done, or was declined",
        )


def _disk(report: Report) -> Iterable[Condition]:
    disk = report.disk
    if disk is None or disk.level == "ok":
        return ()
    what = "is full: no run starts" if disk.level == "full" else "is getting full"
    free = readable(disk.free_bytes)
    return (
        Condition(
            key="disk",
            kind="disk_low",
            mark=disk.level,
            title=f"The appliance's disk {what}",
            text=f"{free} are free; a run needs {readable(disk.runs_need_bytes)}.",
            next_step="appliance exports list; df -h",
            over="The appliance's disk has room again",
        ),
    )


def _certificates(report: Report, settings: NotifySettings) -> Iterator[Condition]:
    for each in report.certificates:
        left = each.expires_at - report.now
        if left <= timedelta(days=settings.certificate_days):
            gone = left <= timedelta(0)
            when = f"{each.expires_at:%Y-%m-%d %H:%M} UTC"
            yield Condition(
                key=f"certificate:{each.file}",
                kind="certificate_expires",
                mark=f"{when} {gone}",
                title=f"A certificate for {each.used_by} {'has expired' if gone else 'expires soon'}",
                text=f"{each.file}: {when}.",
                next_step=f"Put a new one in place of {each.file}",
                over=f"The certificate for {each.used_by} is good again",
            )


def _update(report: Report) -> Iterable[Condition]:
    wish = report.wanted_release
    if wish is None or wish.state not in ("refused", "failed"):
        return ()
    refused = wish.state == "refused"
    what = "was refused" if refused else "was rolled back, or has failed"
    return (
        Condition(
            key="update",
            kind="update_refused" if refused else "update_failed",
            mark=f"{wish.version} {wish.state}",
            title=f"The update to {wish.version} {what}",
            text=f"Refused by the rule {wish.rule}." if refused and wish.rule else f"{report.version} runs.",
            next_step="appliance status; journalctl -u appliance-update -n 50",
            over="The update that was refused or failed is settled",
        ),
    )
