"""The same change for several appliances or workflows: each on its own; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from appliance.dashboard.security import Actor
from appliance.dashboard.store import tags, workflows
from appliance.dashboard.store.appliances import commands, fleet
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.web import overview
from appliance.dashboard.web.context import Context
from appliance.errors import ApplianceError, RefusedError, WrongRequestError

MOST = 500
ApplianceAction = Literal["tag", "untag", "assign", "unassign", "release", "sync", "rotate"]
WorkflowAction = Literal["tag", "untag", "assign", "unassign", "run", "archive"]


@dataclass(frozen=True)
class Outcome:
    """What became of one; ``problem`` is None where it is done."""

    id: str
    name: str
    problem: str | None


def change_appliances(
    context: Context,
    actor: Actor,
    appliance_ids: Iterable[str],
    action: ApplianceAction,
    *,
    words: Iterable[str] = (),
    workflow: str = "",
    version: str = "",
) -> list[Outcome]:
    """Do it for each appliance. Raises WrongRequestError for what could be done for none of them."""
    database = context.database
    tagging = _tagging(action, words)
    if action == "release":
        overview.check_wish(context, version)
    if action in {"assign", "unassign"}:
        with database.read() as session:
            workflows.workflow(session, workflow)

    def change(appliance_id: str) -> None:
        match action:
            case "tag" | "untag":
                tags.retag(database, actor, "appliance", appliance_id, tagging)
            case "assign" | "unassign":
                _assign(database, actor, action, workflow, appliance_id)
            case "release":
                overview.request_update(context, actor, appliance_id, version)
            case "sync":
                commands.send(database, actor, appliance_id, "sync", {})
            case "rotate":
                fleet.ask_to_rotate(database, actor, appliance_id)

    return _each(context, appliance_ids, change, lambda session, one: fleet.appliance(session, one).name)


def change_workflows(
    context: Context,
    actor: Actor,
    workflow_ids: Iterable[str],
    action: WorkflowAction,
    *,
    words: Iterable[str] = (),
    appliance_id: str = "",
) -> list[Outcome]:
    """Do it for each workflow. Raises WrongRequestError for what could be done for none of them."""
    database = context.database
    tagging = _tagging(action, words)
    if action in {"assign", "unassign"}:
        with database.read() as session:
            fleet.appliance(session, appliance_id)

    def change(workflow_id: str) -> None:
        match action:
            case "tag" | "untag":
                tags.retag(database, actor, "workflow", workflow_id, tagging)
            case "assign" | "unassign":
                _assign(database, actor, action, workflow_id, appliance_id)
            case "run":
                _run(context, actor, workflow_id)
            case "archive":
                workflows.archive(database, actor, workflow_id)

    return _each(context, workflow_ids, change, lambda session, one: workflows.workflow(session, one).title)


def _assign(
    database: Database, actor: Actor, action: Literal["assign", "unassign"], workflow: str, appliance: str
) -> None:
    def change(before: set[str]) -> set[str]:
        return before | {appliance} if action == "assign" else before - {appliance}

    workflows.reassign(database, actor, workflow, change)


def _run(context: Context, actor: Actor, workflow_id: str) -> None:
    with context.database.read() as session:
        workflows.workflow(session, workflow_id)
        assigned = [row.appliance_id for row in workflows.assignments(session, workflow_id)]
    if not assigned:
        raise WrongRequestError("It is assigned to no appliance.", "", "Assign it first.")
    for appliance_id in assigned:
        commands.send(context.database, actor, appliance_id, "run", {"workflow": workflow_id})


def _tagging(action: str, words: Iterable[str]) -> Callable[[frozenset[str]], frozenset[str]]:
    if action not in {"tag", "untag"}:
        return lambda before: before
    wanted = tags.read_tags(words)
    if not wanted:
        raise WrongRequestError("No tag is named.", "", "Write one, or several with commas between them.")
    return (lambda before: before | wanted) if action == "tag" else (lambda before: before - wanted)


def _each(
    context: Context,
    ids: Iterable[str],
    change: Callable[[str], None],
    name_of: Callable[[Session, str], str],
) -> list[Outcome]:
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        raise WrongRequestError("None is ticked.", "", "Tick those that it is for.")
    if len(wanted) > MOST:
        raise WrongRequestError(f"That is for {len(wanted)}; {MOST} at a time are the most.", "", "")
    outcomes = []
    for each in wanted:
        name = each
        try:
            with context.database.read() as session:
                name = name_of(session, each)
            change(each)
        except (WrongRequestError, RefusedError) as error:
            outcomes.append(Outcome(each, name, _problem(error)))
        else:
            outcomes.append(Outcome(each, name, None))
    return outcomes


def _problem(error: ApplianceError) -> str:
    return " ".join(filter(None, (error.what, error.why)))
