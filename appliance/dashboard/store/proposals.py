"""Versions that keep more than the present one, and wait for a second person. No appliance is given one."""

from __future__ import annotations

import json
import secrets
import time

from pydantic import ValidationError

from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.workflow_rows import ProposalState, StoredProposal
from appliance.errors import RefusedError, WrongRequestError
from appliance.workflow.document import Workflow

KEPT_PER_WORKFLOW = 200
"""Proposals that were decided on; the oldest go first."""
REMARK_LENGTH = 500
_SHOWN = (
    "SELECT p.id, p.workflow_id, p.base, p.yaml, p.note, p.author, p.maker, p.person_id, p.at, p.decided_by,"
    " p.decided_at, p.remark, p.version, coalesce(w.revision, 0) AS present,"
    " CASE WHEN p.state = 'waiting' AND (p.base <> coalesce(w.revision, 0)"
    " OR coalesce(w.archived_at, 0) > p.at) THEN 'overtaken' ELSE p.state END AS state"
    " FROM proposal p LEFT JOIN workflow w ON w.id = p.workflow_id"
)


def present_document(session: Session, workflow_id: str) -> Workflow | None:
    """The present version's document; None for a new workflow, and for one that an older release let through
    and this one would not.
    """
    number = session.value(int, "SELECT revision FROM workflow WHERE id = ?", workflow_id)
    return document_of(session, workflow_id, number or 0)


def document_of(session: Session, workflow_id: str, number: int) -> Workflow | None:
    """A version's document, with the rules that its presets had then; None as for the present one."""
    text = session.value(
        str, "SELECT document FROM revision WHERE workflow_id = ? AND number = ?", workflow_id, number
    )
    try:
        return Workflow.model_validate(json.loads(text)) if text else None
    except ValidationError:
        return None


def propose(session: Session, actor: Actor, workflow_id: str, yaml: str, *, base: int, note: str) -> str:
    """Put a version aside for a second person; one's own earlier proposal for the workflow is withdrawn."""
    now, person_id = time.time(), authority.person_behind(session, actor.maker)
    session.run(
        "UPDATE proposal SET state = 'withdrawn', decided_by = ?, decided_at = ?,"
        " remark = 'Replaced by a newer one'"
        " WHERE workflow_id = ? AND state = 'waiting' AND (maker = ? OR person_id = ?)",
        actor.name,
        now,
        workflow_id,
        actor.maker,
        person_id,
    )
    proposal_id = secrets.token_hex(8)
    session.run(
        "INSERT INTO proposal (id, workflow_id, base, yaml, note, author, maker, person_id, at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
        proposal_id,
        workflow_id,
        base,
        yaml,
        note,
        actor.name,
        actor.maker,
        person_id,
        now,
    )
    session.run(
        "DELETE FROM proposal WHERE workflow_id = ? AND state <> 'waiting' AND id NOT IN"
        " (SELECT id FROM proposal WHERE workflow_id = ? AND state <> 'waiting' ORDER BY at DESC LIMIT ?)",
        workflow_id,
        workflow_id,
        KEPT_PER_WORKFLOW,
    )
    audit.record(session, actor, "workflow.propose", workflow_id, proposal=proposal_id, on_version=base)
    return proposal_id


def proposal(session: Session, proposal_id: str) -> StoredProposal:
    """One proposal, waiting, overtaken, accepted, rejected or withdrawn. Raises NotFoundError."""
    row = session.one(StoredProposal, f"{_SHOWN} WHERE p.id = ?", proposal_id)
    if row is None:
        raise NotFoundError("There is no such proposal.", "", "Go back to the list of proposals.")
    return row


def proposals(
    session: Session, workflow_id: str = "", *, waiting: bool = False, limit: int = 100
) -> list[StoredProposal]:
    """The newest first, those that wait before all others."""
    return session.all(
        StoredProposal,
        f"{_SHOWN} WHERE (? = '' OR p.workflow_id = ?) AND (? = 0 OR p.state = 'waiting')"
        " ORDER BY CASE WHEN p.state = 'waiting' THEN 0 ELSE 1 END, p.at DESC LIMIT ?",
        workflow_id,
        workflow_id,
        int(waiting),
        limit,
    )


def withdraw(database: Database, actor: Actor, proposal_id: str) -> None:
    """Take back one's own proposal."""
    with database.write() as session:
        row = proposal(session, proposal_id)
        person_id = authority.person_behind(session, actor.maker)
        if actor.maker != row.maker and (person_id is None or person_id != row.person_id):
            raise RefusedError(
                "This proposal is not yours.",
                f"{row.author} made it.",
                "Reject it instead, on its page.",
                rule="second_person",
            )
        decide(session, actor, row, "withdrawn")
        audit.record(session, actor, "workflow.withdraw", row.workflow_id, proposal=proposal_id)


def decide(
    session: Session,
    actor: Actor,
    row: StoredProposal,
    state: ProposalState,
    *,
    remark: str = "",
    version: int | None = None,
) -> None:
    """Write down how a proposal ended. Raises WrongRequestError where another was faster."""
    taken = session.value(
        str,
        "UPDATE proposal SET state = ?, decided_by = ?, decided_at = ?, remark = ?, version = ?"
        " WHERE id = ? AND state = 'waiting' RETURNING id",
        state,
        actor.name,
        time.time(),
        remark.strip()[:REMARK_LENGTH],
        version,
        row.id,
    )
    if taken is None:
        raise WrongRequestError(
            f"This proposal was {row.state} already.", "", "Open the workflow to see how it stands."
        )
