"""What there is to notify of, judged from what was seen of the fleet. The same fleet, the same conditions.

Nothing but what the dashboard has is said, and it never has a row, a password or a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import get_args
from urllib.parse import quote

from appliance.dashboard.notifying.looking import Seen, SeenWorkflow
from appliance.dashboard.notifying.settings import FleetNoticeKind, FleetNotifySettings
from appliance.status.notifications.condition import HALTS, Condition, Conditions

_TEXT_MAX = 500


def fleet_conditions(seen: Sequence[Seen], settings: FleetNotifySettings, url: str, now: float) -> Conditions:
    """What there is to say; ``url`` is where people find the dashboard, ``now`` in seconds since 1970."""
    found: list[Condition] = []
    for each in seen:
        found += _contact(each, settings, url, now)
        found += _update(each, url)
        for workflow in each.workflows:
            found += _run(each, workflow, url)
            found += _would_halt(each, workflow, url)
            found += _stale(each, workflow, settings, url, now)
    return Conditions(tuple(found), frozenset(get_args(FleetNoticeKind)))


def _contact(seen: Seen, settings: FleetNotifySettings, url: str, now: float) -> Iterator[Condition]:
    if now - seen.last_seen > settings.offline_after_min * 60:
        yield _condition(
            seen,
            "offline",
            "appliance_offline",
            mark=_moment(seen.last_seen),
            title=f"{seen.name} does not report",
            text=f"Its last word came at {_moment(seen.last_seen)} UTC.",
            place=f"{url}/appliances/{seen.id}",
        )
    if not seen.healthy:
        yield _condition(
            seen,
            "unhealthy",
            "appliance_unhealthy",
            mark=" ".join(sorted(each.partition(":")[0] for each in seen.problems)),
            title=f"A part of {seen.name} does not work",
            text=" ".join(seen.problems),
            place=f"{url}/appliances/{seen.id}",
        )


def _update(seen: Seen, url: str) -> Iterator[Condition]:
    update = seen.update
    if update is None or update.state not in ("refused", "failed"):
        return
    refused = update.state == "refused"
    rule = f"Refused by the rule {update.rule}. " if refused and update.rule else ""
    yield _condition(
        seen,
        "update",
        "update_refused" if refused else "update_failed",
        mark=f"{update.version} {update.state}",
        title=f"{seen.name}: the update to {update.version} "
        + ("was refused" if refused else "was rolled back, or has failed"),
        text=f"{rule}It runs {seen.version or 'what it ran before'}.",
        place=f"{url}/appliances/{seen.id}",
    )


def _run(seen: Seen, workflow: SeenWorkflow, url: str) -> Iterator[Condition]:
    end = workflow.newest
    if end is None or end.state == "succeeded":
        return
    failure = end.outcome.get("failure") or {}
    rule = failure.get("rule")
    halted = end.state == "refused" and rule in HALTS
    what = str(failure.get("what") or "").partition("\n")[0]
    title = f"{workflow.id} on {seen.name} has {'halted' if halted else end.state}"
    if end.state == "lost":
        title = f"A run of {workflow.id} on {seen.name} was lost"
    yield _condition(
        seen,
        f"run:{workflow.id}",
        "run_halted" if halted else "run_failed",
        mark=f"{end.state} {rule} {failure.get('sqlstate') or ''}",
        title=title,
        text=f"{what} The twin is as it was.".strip(),
        place=f"{url}/runs/{seen.id}/{quote(end.run_id, safe='')}",
        workflow=workflow.id,
    )


def _would_halt(seen: Seen, workflow: SeenWorkflow, url: str) -> Iterator[Condition]:
    check = workflow.drift
    if check is None or check.outcome != "halts":
        return
    count = check.uncovered_total
    columns = "A column" if count == 1 else f"{count:,} columns"
    undecided = f"{columns} of the source {'is' if count == 1 else 'are'} neither masked nor kept."
    yield _condition(
        seen,
        f"drift:{workflow.id}",
        "run_would_halt",
        mark=f"{count} {check.refused.rule if check.refused else ''}",
        title=f"The next run of {workflow.id} on {seen.name} would halt",
        text=undecided if count else "Its plan is refused as the source is now.",
        place=f"{url}/workflows/{quote(workflow.id, safe='')}",
        workflow=workflow.id,
    )


def _stale(
    seen: Seen, workflow: SeenWorkflow, settings: FleetNotifySettings, url: str, now: float
) -> Iterator[Condition]:
    hours, last = settings.stale_after_h, workflow.last_success
    if hours is None or last is None or not workflow.is_scheduled or now - last <= hours * 3600:
        return
    yield _condition(
        seen,
        f"stale:{workflow.id}",
        "twin_stale",
        mark=_moment(last),
        title=f"{workflow.id} on {seen.name} has delivered nothing fresh for {hours} hours",
        text=f"The last run that succeeded ended at {_moment(last)} UTC.",
        place=f"{url}/workflows/{quote(workflow.id, safe='')}",
        workflow=workflow.id,
    )


def _condition(
    of: Seen,
    what: str,
    kind: FleetNoticeKind,
    *,
    mark: str,
    title: str,
    text: str,
    place: str,
    workflow: str | None = None,
) -> Condition:
    return Condition(
        key=f"{of.id}:{what}",
        kind=kind,
        mark=mark,
        title=title,
        text=text[:_TEXT_MAX],
        next_step=place,
        over=f"Over: {title}",
        workflow=workflow,
        appliance=of.name,
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
