"""A plan as its page shows it: what would be done, what stops it, how long it may take, what is new since."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from appliance.contract.catalog import PlanReported, UncoveredColumn
from appliance.contract.commands import MAX_DRAFT_BYTES
from appliance.contract.fields import document_digest
from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.security import Actor
from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import catalogs, commands, fleet
from appliance.dashboard.store.appliances.rows import ApplianceRow, CommandRow
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.documents import Checked
from appliance.dashboard.store.rows import ReportedJson
from appliance.dashboard.web.column_lines import ColumnLine
from appliance.dashboard.web.columns import Asked, screen
from appliance.dashboard.web.decisions import accept, option_value
from appliance.dashboard.web.sources import last_run
from appliance.errors import WrongRequestError
from appliance.masking.suggesting.suggestions import Suggestion
from appliance.masking.suggesting.uncovered import yaml_scalar
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.patterns import literal_pattern

MOST_SHOWN = 200


@dataclass(frozen=True)
class Drift:
    """What has changed in the source since the workflow last went well."""

    since: float
    scanned_at: float
    come: tuple[ColumnLine, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class PlannedWorkflow:
    """The document that a plan is of."""

    id: str
    title: str
    document: dict[str, Any]
    revision: int | None = None
    """None for a draft."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that went well: how long it took, and what it planned."""

    seconds: float
    plan: ReportedJson


@dataclass(frozen=True)
class PlanShown:
    """What there is to show."""

    workflow: PlannedWorkflow
    appliance: ApplianceRow
    command: CommandRow | None
    """The last request for a plan."""
    plan: PlanReported | None
    at: float
    current: bool
    """The plan is of the newest version."""
    seconds: float | None
    """What a run may take, from the last one that went well."""
    drift: Drift | None

    @property
    def waits(self) -> bool:
        """Whether the answer is still to come."""
        return self.command is not None and self.command.state in {"waiting", "accepted"}


def plan_shown(session: Session, appliance_id: str, workflow_id: str) -> PlanShown:
    """All of it. Raises NotFoundError for an appliance or workflow that is not there."""
    row, appliance = workflows.workflow(session, workflow_id), fleet.appliance(session, appliance_id)
    asked = [
        each
        for each in commands.recent(session, appliance_id, 50)
        if each.kind == "plan" and each.argument["workflow"] == workflow_id
    ]
    found = catalogs.plan(session, appliance_id, workflow_id)
    plan, at = (found.plan, found.at) if found else (None, 0.0)
    command = asked[0] if asked else None
    if command is not None and plan is not None and str(plan.command_id) != command.id:
        # An older answer is none to a question that was refused, or that still waits.
        plan = None if command.state != "done" else plan
    planned = PlannedWorkflow(row.id, row.title, row.document, row.revision)
    return PlanShown(
        planned,
        appliance,
        command,
        plan,
        at,
        plan is not None and plan.digest == row.digest,
        _seconds(session, appliance_id, workflow_id, plan),
        _drift(session, appliance_id, planned),
    )


def draft_shown(session: Session, command_id: str) -> PlanShown:
    """The plan of a draft. Raises NotFoundError for a command that is not there."""
    command = commands.command(session, command_id)
    if command.kind != "plan":
        raise NotFoundError("That was no request for a plan.", "", "Plan the draft again.")
    document = json.loads(commands.draft(session, command_id) or "{}")
    workflow_id, digest = str(command.argument.get("workflow")), command.argument.get("digest")
    appliance = fleet.appliance(session, command.appliance_id)
    planned = PlannedWorkflow(workflow_id, document.get("title") or workflow_id, document)
    found = catalogs.plan(session, appliance.id, workflow_id)
    plan, at = (found.plan, found.at) if found else (None, 0.0)
    if plan is not None and str(plan.command_id) != command_id:
        plan = None
    return PlanShown(
        planned,
        appliance,
        command,
        plan,
        at,
        plan is not None and plan.digest == digest,
        _seconds(session, appliance.id, workflow_id, plan),
        _drift(session, appliance.id, planned),
    )


def ask_for_draft(database: Database, actor: Actor, appliance_id: str, checked: Checked) -> str:
    """Ask an appliance what a run of a document would do that is not saved; the command's id."""
    draft = json.dumps(checked.resolved, separators=(",", ":"), ensure_ascii=False)
    if len(draft.encode()) > MAX_DRAFT_BYTES:
        raise WrongRequestError(
            f"The document is larger than {MAX_DRAFT_BYTES // 1024} KiB.",
            "A draft comes to the appliance with an answer that may not be larger.",
            "Save it, and press Plan on the workflow's page.",
        )
    argument = {
        "workflow": str(checked.data["id"]),
        "digest": document_digest(checked.resolved),
        "draft": draft,
    }
    return commands.send(database, actor, appliance_id, "plan", argument)


def merged(data: dict[str, Any], uncovered: Iterable[UncoveredColumn]) -> tuple[dict[str, Any], list[str]]:
    """A document with what was suggested for uncovered columns, and comments for what a person decides."""
    suggested, decide = [], []
    for column in uncovered:
        pattern = literal_pattern(column.schema_name, column.table, column.column)
        if column.suggestion == "decide" or (column.suggestion == "mask" and column.mask is None):
            decide.append(f"# decide: {yaml_scalar(pattern)}  # {column.type}")
            continue
        params = {} if column.value is None else {"value": option_value(column.value)}
        mask = None if column.suggestion == "keep" else MaskSpec(mask=column.mask or "", params=params)
        suggested.append((pattern, Suggestion(True, mask)))
    return accept(data, suggested), decide


def _seconds(
    session: Session, appliance_id: str, workflow_id: str, plan: PlanReported | None
) -> float | None:
    """As long as the last run that went well, in proportion to the tables' sizes."""
    row = session.one(
        PlannedRun,
        "SELECT seconds, plan FROM run WHERE appliance_id = ? AND workflow_id = ? AND state = 'succeeded'"
        " AND plan IS NOT NULL ORDER BY started_at DESC LIMIT 1",
        appliance_id,
        workflow_id,
    )
    if row is None or plan is None or not plan.tables:
        return None
    then = sum(table.get("bytes", 0) for table in row.plan.get("tables", ()))
    now = sum(table.bytes for table in plan.tables)
    return row.seconds * max(now, 1) / max(then, 1) if then else row.seconds


def _drift(session: Session, appliance_id: str, row: PlannedWorkflow) -> Drift | None:
    source = row.document.get("source", "")
    known = catalogs.catalog(session, appliance_id, source)
    if known is None:
        return None
    since = last_run(session, appliance_id, row.id)
    shown = screen(row.document, known, Asked(new_since=since))
    come = tuple(line for line in shown.lines if line.new) if shown is not None else ()
    gone = tuple(name for name, at in known.gone.items() if at > since)
    return Drift(since, known.scanned_at, come[:MOST_SHOWN], gone[:MOST_SHOWN])
