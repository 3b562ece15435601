"""The versions of a workflow: the list, one of them, and going back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.pages.editing.versions import DiffLine, difference
from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.store import saving, workflows
from appliance.dashboard.store.workflow_rows import VersionRow, VersionShown, WorkflowNewest
from appliance.dashboard.web.access import Visit, checked_form, visit

router = APIRouter(prefix="/workflows")
Visitor = Annotated[Visit, Depends(visit)]
Number = Annotated[int, Path(ge=1, le=2**31)]


@dataclass(frozen=True)
class HistoryPage(View):
    """Every version of a workflow."""

    template: ClassVar[str] = "workflow_history.html"
    workflow: WorkflowNewest
    versions: list[VersionRow]


@dataclass(frozen=True)
class VersionPage(View):
    """One version, and what it changed of another one; ``other`` is 0 where there is none before it."""

    template: ClassVar[str] = "workflow_version.html"
    workflow: WorkflowNewest
    version: VersionShown
    other: int
    numbers: list[int]
    diff: list[DiffLine]


@router.get("/{workflow_id}/history")
def history_page(request: Request, workflow_id: str, visitor: Visitor) -> Response:
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        versions = workflows.history(session, workflow_id)
    return page(visitor, request, HistoryPage(row, versions))


@router.get("/{workflow_id}/history/{number}")
def version_page(
    request: Request, workflow_id: str, number: Number, visitor: Visitor, against: int = 0
) -> Response:
    """One version, and what it changed."""
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        version = workflows.revision(session, workflow_id, number)
        numbers = [entry.number for entry in workflows.history(session, workflow_id)]
        other = against if against in numbers else number - 1
        earlier = workflows.revision(session, workflow_id, other).yaml if other in numbers else ""
    return page(
        visitor,
        request,
        VersionPage(
            workflow=row,
            version=version,
            other=other if other in numbers else 0,
            numbers=numbers,
            diff=difference(earlier, version.yaml),
        ),
    )


@router.post("/{workflow_id}/history/{number}", dependencies=[Depends(checked_form)])
def roll_back(workflow_id: str, number: Number, visitor: Visitor) -> Response:
    """Make an earlier version the newest again."""
    visitor.needs("editor")
    saved = saving.roll_back(
        visitor.context.database,
        visitor.actor,
        workflow_id,
        number,
        second_person=visitor.context.settings.second_person,
    )
    if saved.proposal_id:
        return RedirectResponse(f"/proposals/{saved.proposal_id}?note=proposed", 303)
    return RedirectResponse(f"/workflows/{workflow_id}?note=rolled-back", 303)
