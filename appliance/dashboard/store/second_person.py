"""The second person's word on a proposal: accept it as the newest version, or reject it."""

from __future__ import annotations

from appliance.dashboard.http_errors import ConflictError
from appliance.dashboard.security import Actor, Role
from appliance.dashboard.store import documents, saving
from appliance.dashboard.store.access import audit, authority
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.presets import StoredPresets
from appliance.dashboard.store.proposals import decide, proposal
from appliance.dashboard.store.workflow_rows import StoredProposal
from appliance.errors import Explanation, RefusedError, WrongRequestError


def hindrance(row: StoredProposal, actor: Actor, least: Role) -> Explanation | None:
    """Why this actor is not the second person of a proposal; None where they are."""
    if actor.person_id is None:
        return Explanation(
            "A proposal needs a person.",
            "An API token cannot say who holds it.",
            "Sign in to the dashboard.",
            rule="second_person",
        )
    if actor.person_id == row.person_id:
        return Explanation(
            "This proposal is your own.",
            "What keeps more than before is looked at by two people.",
            "Ask another person to open its page.",
            rule="second_person",
        )
    if not actor.may(least):
        return Explanation(
            f"This needs the role {least}.",
            f"You are signed in as {actor.role}.",
            "Ask a person who has it.",
            rule="role",
        )
    return None


def accept(database: Database, actor: Actor, proposal_id: str, least: Role, remark: str) -> tuple[str, int]:
    """Make a proposal the newest version of its workflow; returns the workflow and the version's number."""
    with database.write() as session:
        row = _to_decide(session, actor, proposal_id, least)
        if row.state == "overtaken":
            raise ConflictError(
                "This proposal was overtaken.",
                f"It began from version {row.base}, and the workflow has changed since.",
                "Open it in the editor to bring both together, and propose that.",
            )
        if not authority.may(session, row.maker, "editor"):
            raise RefusedError(
                f"{row.author} may no longer change workflows.",
                "A proposal is worth what its author may do at this moment.",
                "Open it in the editor and propose it as your own.",
                rule="role",
            )
        wanted = documents.require(row.yaml, StoredPresets(session))
        version = saving.Version.of(wanted, row.yaml, row.note, row.author, actor.name)
        number = saving.put(session, wanted, version)
        decide(session, actor, row, "accepted", remark=remark, version=number)
        audit.record(
            session, actor, "workflow.accept", row.workflow_id,
            proposal=proposal_id, version=number, author=row.author, remark=remark.strip() or None,
        )  # fmt: skip
    return row.workflow_id, number


def reject(database: Database, actor: Actor, proposal_id: str, least: Role, remark: str) -> str:
    """Turn a proposal down, and say why; returns the workflow."""
    if not remark.strip():
        raise WrongRequestError(
            "Say why.", "Its author reads it on the page.", "Type a remark, then reject it."
        )
    with database.write() as session:
        row = _to_decide(session, actor, proposal_id, least)
        decide(session, actor, row, "rejected", remark=remark)
        audit.record(
            session, actor, "workflow.reject", row.workflow_id,
            proposal=proposal_id, author=row.author, remark=remark.strip(),
        )  # fmt: skip
    return row.workflow_id


def _to_decide(session: Session, actor: Actor, proposal_id: str, least: Role) -> StoredProposal:
    row = proposal(session, proposal_id)
    if why := hindrance(row, actor, least):
        raise RefusedError.of(why)
    return row
