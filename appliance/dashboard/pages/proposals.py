"""Versions that keep more than the present one: a second person looks at each, and accepts or rejects it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.pages.editing.versions import DiffLine, difference
from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.store import documents, proposals, second_person, workflows
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.workflow_rows import StoredProposal
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.widening import widening
from appliance.errors import Explanation
from appliance.workflow.document import Workflow

router = APIRouter(prefix="/proposals")
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class ProposalsPage(View):
    """The newest proposals; ``asked`` says whether the dashboard asks for a second person at all."""

    template: ClassVar[str] = "proposals.html"
    rows: list[StoredProposal]
    asked: bool


@dataclass(frozen=True)
class ProposalPage(View):
    """What a proposal would keep, and what may be done with it."""

    template: ClassVar[str] = "proposal.html"
    proposal: StoredProposal
    wider: tuple[str, ...]
    diff: list[DiffLine]
    hindrance: Explanation | None
    """Why this visitor is not its second person."""
    own: bool


@router.get("")
def proposals_page(request: Request, visitor: Visitor) -> Response:
    with visitor.context.database.read() as session:
        rows = proposals.proposals(session)
    asked = visitor.context.settings.second_person != "no"
    return page(visitor, request, ProposalsPage(rows, asked))


@router.get("/{proposal_id}")
def proposal_page(request: Request, proposal_id: str, visitor: Visitor) -> Response:
    """What it would keep, the difference, and what may be done with it."""
    with visitor.context.database.read() as session:
        row = proposals.proposal(session, proposal_id)
        text, present = _version(session, row.workflow_id, row.base)
    wanted = documents.check(row.yaml, visitor.context.presets).workflow
    hindrance = second_person.hindrance(row, visitor.actor, visitor.context.settings.least_second_person)
    return page(
        visitor,
        request,
        ProposalPage(
            proposal=row,
            wider=widening(present, wanted) if wanted else (),
            diff=difference(text, row.yaml),
            hindrance=hindrance,
            own=row.person_id is not None and row.person_id == visitor.actor.person_id,
        ),
    )


def _version(session: Session, workflow_id: str, number: int) -> tuple[str, Workflow | None]:
    """What the proposal changes: its text and document, as far as that version is still kept."""
    try:
        text = str(workflows.revision(session, workflow_id, number).yaml)
    except NotFoundError:
        return "", None
    return text, proposals.document_of(session, workflow_id, number)


@router.post("/{proposal_id}/accept")
def accept(proposal_id: str, visitor: Visitor, form: Form) -> Response:
    """Make it the newest version."""
    visitor.needs("editor")
    workflow_id, _ = second_person.accept(
        visitor.context.database,
        visitor.actor,
        proposal_id,
        visitor.context.settings.least_second_person,
        text_of(form, "remark"),
    )
    return RedirectResponse(f"/workflows/{workflow_id}?note=accepted", 303)


@router.post("/{proposal_id}/reject")
def reject(proposal_id: str, visitor: Visitor, form: Form) -> Response:
    """Turn it down, and say why."""
    visitor.needs("editor")
    second_person.reject(
        visitor.context.database,
        visitor.actor,
        proposal_id,
        visitor.context.settings.least_second_person,
        text_of(form, "remark"),
    )
    return RedirectResponse(f"/proposals/{proposal_id}?note=rejected", 303)


@router.post("/{proposal_id}/withdraw", dependencies=[Depends(checked_form)])
def withdraw(proposal_id: str, visitor: Visitor) -> Response:
    """Take back one's own."""
    visitor.needs("editor")
    proposals.withdraw(visitor.context.database, visitor.actor, proposal_id)
    return RedirectResponse(f"/proposals/{proposal_id}?note=withdrawn", 303)
