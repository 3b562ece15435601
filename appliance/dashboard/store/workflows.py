"""Workflows as the dashboard keeps them: every version, who wrote it, and which appliances it is for.

What writes a new version is ``saving``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable

from appliance.contract.calls import (
    MAX_WORKFLOW_SET_BYTES,
    MAX_WORKFLOWS,
    AssignedWorkflow,
    WorkflowSet,
)
from appliance.dashboard.http_errors import ConflictError, NotFoundError, TooLargeError
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.appliances.fleet import appliance
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.workflow_rows import (
    AssignmentRow,
    CountedWorkflow,
    VersionRow,
    VersionShown,
    WantedWorkflow,
    WorkflowDigest,
    WorkflowNewest,
)
from appliance.errors import WrongRequestError
from appliance.workflow.document import Workflow
from appliance.workflow.twin_owners import TwinClaim, shared_twins

MAX_SET_BYTES = MAX_WORKFLOW_SET_BYTES * 3 // 4
"""Of one appliance's documents; the rest of an answer is for what is around them, and for long characters."""


def archive(database: Database, actor: Actor, workflow_id: str) -> None:
    """Take it from every appliance and out of the list. Its history stays; saving it again brings it back."""
    with database.write() as session:
        workflow(session, workflow_id)
        session.run("DELETE FROM assignment WHERE workflow_id = ?", workflow_id)
        session.run("UPDATE workflow SET archived_at = ? WHERE id = ?", time.time(), workflow_id)
        audit.record(session, actor, "workflow.archive", workflow_id)


def reassign(
    database: Database, actor: Actor, workflow_id: str, change: Callable[[set[str]], set[str]]
) -> None:
    """Change which appliances the workflow is for: ``change`` is given those that it is for."""
    with database.write() as session:
        known = workflow(session, workflow_id)
        if known.archived_at is not None:
            raise WrongRequestError(f"{workflow_id} is archived.", "", "Save it again to bring it back.")
        before = {row.appliance_id for row in assignments(session, workflow_id)}
        appliance_ids = change(before)
        for appliance_id in sorted(appliance_ids - before):
            row = appliance(session, appliance_id)
            if row.revoked_at is not None:
                raise WrongRequestError(f"{row.name} is revoked.", "", "Enrol it again first.")
            held = session.count("SELECT count(*) FROM assignment WHERE appliance_id = ?", appliance_id)
            if held >= MAX_WORKFLOWS:
                raise WrongRequestError(
                    f"{row.name} has {MAX_WORKFLOWS} workflows, the most it takes.", "", ""
                )
            _check_twins(session, TwinClaim.of_stored(known.document), appliance_id, row.name)
            session.run(
                "INSERT INTO assignment (workflow_id, appliance_id, at) VALUES (?, ?, ?)",
                workflow_id,
                appliance_id,
                time.time(),
            )
            _check_size(session, row.id, row.name)
            audit.record(session, actor, "workflow.assign", workflow_id, appliance=row.name)
        for appliance_id in sorted(before - appliance_ids):
            session.run(
                "DELETE FROM assignment WHERE workflow_id = ? AND appliance_id = ?", workflow_id, appliance_id
            )
            name = appliance(session, appliance_id).name
            audit.record(session, actor, "workflow.unassign", workflow_id, appliance=name)


def check_places(session: Session, wanted: Workflow) -> None:
    """Raise where an appliance that the workflow is for could not take it beside its others."""
    for assigned in assignments(session, wanted.id):
        _check_twins(session, TwinClaim.of(wanted), assigned.appliance_id, assigned.name)
        _check_size(session, assigned.appliance_id, assigned.name)


def _check_twins(session: Session, claim: TwinClaim, appliance_id: str, name: str) -> None:
    """Raise ConflictError where another workflow of the appliance builds its twin in the same place.

    A connection's name means the same database only within one appliance.
    """
    found = session.column(
        str,
        "SELECT r.document FROM assignment s JOIN workflow w ON w.id = s.workflow_id"
        " JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " WHERE s.appliance_id = ? AND s.workflow_id <> ?",
        appliance_id,
        claim.workflow,
    )
    others = [TwinClaim.of_stored(json.loads(text)) for text in found]
    for shared in shared_twins(claim, others):
        raise ConflictError(
            f"On {name}, {shared.what[0].lower()}{shared.what[1:]}",
            "Each would replace the twin of the other.",
            f"{shared.fix[0].upper()}{shared.fix[1:]}.",
        )


def _check_size(session: Session, appliance_id: str, name: str) -> None:
    """Raise TooLargeError where an appliance would get more than it takes in one answer: it would take
    nothing.
    """
    held = session.count(
        "SELECT sum(length(r.document)) FROM assignment s JOIN workflow w ON w.id = s.workflow_id"
        " JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision WHERE s.appliance_id = ?",
        appliance_id,
    )
    if held > MAX_SET_BYTES:
        raise TooLargeError(
            f"{name} would have more workflows than it takes.",
            f"All of its documents together may have {MAX_SET_BYTES / 2**20:.0f} MiB.",
            "Use patterns instead of single columns, or assign fewer.",
        )


def workflow(session: Session, workflow_id: str) -> WorkflowNewest:
    """One workflow with its newest version; raises WrongRequestError for an unknown id."""
    row = session.one(
        WorkflowNewest,
        "SELECT w.id, w.title, w.revision, w.created_at, w.changed_at, w.archived_at, r.yaml, r.document,"
        " r.digest, r.author FROM workflow w JOIN revision r"
        " ON r.workflow_id = w.id AND r.number = w.revision"
        " WHERE w.id = ?",
        workflow_id,
    )
    if row is None:
        raise NotFoundError("There is no such workflow.", "", "Go back to the list of workflows.")
    return row


def workflows(session: Session, search: str = "") -> list[CountedWorkflow]:
    """Every workflow that is not archived, with how many appliances it is for and how its last runs went."""
    return session.all(
        CountedWorkflow,
        "SELECT w.id, w.title, w.revision, w.changed_at, r.document, r.author,"
        " (SELECT count(*) FROM assignment s WHERE s.workflow_id = w.id) AS appliances,"
        " (SELECT count(*) FROM run x WHERE x.workflow_id = w.id AND x.state = 'running') AS running,"
        " (SELECT count(*) FROM run x WHERE x.workflow_id = w.id AND x.latest = 1"
        "   AND x.state IN ('failed', 'refused')) AS failing,"
        " (SELECT count(*) FROM placement p WHERE p.workflow_id = w.id"
        "   AND p.state IN ('refused', 'invalid')) AS refused,"
        " (SELECT max(x.ended_at) FROM run x WHERE x.workflow_id = w.id AND x.state = 'succeeded')"
        "   AS last_success,"
        " (SELECT min(p.next_run_at) FROM placement p WHERE p.workflow_id = w.id) AS next_run,"
        " (SELECT x.state FROM run x WHERE x.workflow_id = w.id ORDER BY x.started_at DESC LIMIT 1)"
        "   AS last_state"
        " FROM workflow w JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " WHERE w.archived_at IS NULL AND (lower(w.id) LIKE ? OR lower(w.title) LIKE ?) ORDER BY w.id",
        f"%{search.lower()}%",
        f"%{search.lower()}%",
    )


def revision(session: Session, workflow_id: str, number: int) -> VersionShown:
    """One version; raises WrongRequestError where there is none."""
    row = session.one(
        VersionShown,
        "SELECT number, yaml, digest, note, author, at, accepted_by FROM revision"
        " WHERE workflow_id = ? AND number = ?",
        workflow_id,
        number,
    )
    if row is None:
        raise NotFoundError(f"There is no version {number} of {workflow_id}.", "", "Open its history.")
    return row


def history(session: Session, workflow_id: str) -> list[VersionRow]:
    """Every version without its text, newest first."""
    return session.all(
        VersionRow,
        "SELECT number, digest, note, author, at, accepted_by FROM revision WHERE workflow_id = ?"
        " ORDER BY number DESC",
        workflow_id,
    )


def assignments(session: Session, workflow_id: str) -> list[AssignmentRow]:
    """The appliances a workflow is for, with what each says of it (``placed_*``; None before it does)."""
    return session.all(
        AssignmentRow,
        "SELECT s.appliance_id, a.name, a.last_seen, a.healthy, a.revoked_at, s.at, p.state AS placed_state,"
        " p.digest AS placed_digest, p.rule AS placed_rule, p.problem AS placed_problem,"
        " p.next_run_at AS placed_next_run_at"
        " FROM assignment s JOIN appliance a ON a.id = s.appliance_id"
        " LEFT JOIN placement p ON p.appliance_id = s.appliance_id AND p.workflow_id = s.workflow_id"
        " WHERE s.workflow_id = ? ORDER BY a.name",
        workflow_id,
    )


def etag(session: Session, appliance_id: str) -> str:
    """Names the set of workflows that an appliance should have, without reading the documents."""
    rows = session.all(
        WorkflowDigest,
        "SELECT w.id, r.digest FROM assignment s JOIN workflow w ON w.id = s.workflow_id"
        " JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " WHERE s.appliance_id = ? ORDER BY w.id",
        appliance_id,
    )
    lines = sorted(f"{row.id} {row.digest}" for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def wanted_by(session: Session, appliance_id: str) -> WorkflowSet:
    """The whole set of an appliance's workflows."""
    rows = session.all(
        WantedWorkflow,
        "SELECT w.id, w.revision, r.digest, r.document"
        " FROM assignment s JOIN workflow w ON w.id = s.workflow_id"
        " JOIN revision r ON r.workflow_id = w.id AND r.number = w.revision"
        " WHERE s.appliance_id = ? ORDER BY w.id",
        appliance_id,
    )
    assigned = [AssignedWorkflow.model_validate(vars(row)) for row in rows]
    return WorkflowSet(etag=etag(session, appliance_id), workflows=tuple(assigned))
