"""Management calls about proposals. A second person's word is given on a page: a token is no person."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from appliance.contract.calls import Problem
from appliance.dashboard.api.answers import Answer
from appliance.dashboard.api.appliances import Deck, Editor
from appliance.dashboard.store import proposals
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.workflow_rows import ProposalState, StoredProposal
from appliance.dashboard.web.access import api_role

router = APIRouter(
    prefix="/v1",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)


class ProposalRow(Answer):
    """A version that keeps more than the present one."""

    id: str
    workflow_id: str
    base: int
    """The version that it changes; 0 for a new workflow."""
    state: ProposalState
    note: str
    author: str
    at: float
    decided_by: str | None
    decided_at: float | None
    remark: str
    version: int | None
    """Its number as a version, once accepted."""


class ProposalShown(ProposalRow):
    """The same with its text."""

    yaml: str


def _shown(row: StoredProposal) -> ProposalShown:
    return ProposalShown.model_validate(row, from_attributes=True)


PROPOSED: dict[int | str, dict[str, Any]] = {
    202: {"model": ProposalShown, "description": "It keeps more, and waits for a second person."}
}


def proposed(session: Session, proposal_id: str) -> JSONResponse:
    """The answer to a change that waits for a second person."""
    shown = _shown(proposals.proposal(session, proposal_id))
    return JSONResponse(shown.model_dump(mode="json"), 202)


@router.get("/proposals")
def list_proposals(context: Deck, workflow_id: str = "") -> list[ProposalRow]:
    """The newest proposals, those that wait first."""
    with context.database.read() as session:
        found = proposals.proposals(session, workflow_id[:100])
    return [ProposalRow.model_validate(row, from_attributes=True) for row in found]


@router.get("/proposals/{proposal_id}")
def show_proposal(context: Deck, proposal_id: str) -> ProposalShown:
    """One proposal with its text."""
    with context.database.read() as session:
        return _shown(proposals.proposal(session, proposal_id))


@router.delete("/proposals/{proposal_id}", status_code=204)
def withdraw_proposal(actor: Editor, context: Deck, proposal_id: str) -> None:
    """Take back one's own proposal."""
    proposals.withdraw(context.database, actor, proposal_id)
