"""Saving a workflow: a new version, or a proposal where a second person is asked."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from pydantic import JsonValue

from appliance.contract.calls import MAX_DOCUMENT_BYTES
from appliance.contract.fields import document_digest
from appliance.dashboard.http_errors import ConflictError, NotFoundError, OvertakenError, TooLargeError
from appliance.dashboard.security import Actor, SecondPerson
from appliance.dashboard.store import documents, proposals, workflows
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.presets import DashboardPresets
from appliance.dashboard.store.workflow_rows import StoredVersion
from appliance.dashboard.widening import widening
from appliance.errors import WrongRequestError
from appliance.workflow.document import Workflow

KEEP_REVISIONS = 500


class Version(NamedTuple):
    """A version that is to be stored."""

    workflow_id: str
    yaml: str
    document: dict[str, JsonValue]
    note: str
    author: str
    accepted_by: str | None
    """The second person, where one was asked."""

    @classmethod
    def of(
        cls, wanted: Workflow, yaml: str, note: str, author: str, accepted_by: str | None = None
    ) -> Version:
        """That of a document. Raises TooLargeError."""
        document = wanted.model_dump(mode="json", exclude_unset=True)
        text = json.dumps(document, ensure_ascii=False)
        if len(text.encode()) > MAX_DOCUMENT_BYTES or len(yaml.encode()) > MAX_DOCUMENT_BYTES:
            raise TooLargeError(
                "That workflow is too large.",
                f"An appliance takes documents of up to {MAX_DOCUMENT_BYTES // 1024} KiB.",
                "Use patterns instead of single columns, or split it.",
            )
        return cls(wanted.id, yaml, document, note.strip()[:200], author, accepted_by)


class Saved(NamedTuple):
    """What came of saving."""

    workflow_id: str
    number: int
    """The newest version: the present one where nothing changed, or where a second person is waited for."""
    proposal_id: str | None = None
    """Set where the version keeps more than the present one, and waits for a second person."""


def save(
    database: Database,
    actor: Actor,
    yaml: str,
    *,
    second_person: SecondPerson,
    workflow_id: str | None = None,
    based_on: int | None = None,
    note: str = "",
) -> Saved:
    """Store a new version, or a proposal where ``second_person`` asks for one.

    ``workflow_id`` is None for a new workflow. ``based_on`` is the version that was edited: another one in
    between is an error rather than overwritten. Raises WrongDocumentError with every problem of the document.
    """
    wanted = documents.require(yaml, DashboardPresets(database))
    version = Version.of(wanted, yaml, note, actor.name)
    new_id = wanted.id
    if workflow_id is not None and workflow_id != new_id:
        raise WrongRequestError(
            f"The id must stay {workflow_id}.",
            "It names the runs and the schedule on every appliance.",
            "Make a new workflow to have another id.",
        )
    with database.write() as session:
        present = session.value(int, "SELECT revision FROM workflow WHERE id = ?", new_id)
        if workflow_id is None and present is not None:
            raise ConflictError(
                f"There is already a workflow {new_id}.", "", "Choose another id, or open that workflow."
            )
        if workflow_id is not None and present is None:
            raise NotFoundError(f"There is no workflow {workflow_id}.", "", "Go back to the list.")
        last = present or 0
        if present is not None and based_on is not None and based_on != last:
            raise OvertakenError(based_on, last)
        if second_person != "no" and widening(proposals.present_document(session, new_id), wanted):
            workflows.check_places(session, wanted)
            return Saved(
                new_id, last, proposals.propose(session, actor, new_id, yaml, base=last, note=version.note)
            )
        number = put(session, wanted, version)
        if number != last:
            action = "workflow.change" if present is not None else "workflow.create"
            audit.record(session, actor, action, new_id, version=number)
    return Saved(new_id, number)


def put(session: Session, wanted: Workflow, version: Version) -> int:
    """Make a version the newest; returns its number, the present one's where nothing changed."""
    workflow_id, now = version.workflow_id, time.time()
    last = session.value(int, "SELECT revision FROM workflow WHERE id = ?", workflow_id)
    if last is None:
        session.run(
            "INSERT INTO workflow (id, title, revision, created_at, changed_at) VALUES (?, '', 0, ?, ?)",
            workflow_id,
            now,
            now,
        )
    number = _store(session, version, last or 0, now)
    session.run(
        "UPDATE workflow SET title = ?, revision = ?, changed_at = ?, archived_at = NULL WHERE id = ?",
        wanted.title or workflow_id,
        number,
        now,
        workflow_id,
    )
    workflows.check_places(session, wanted)
    return number


def _store(session: Session, version: Version, last: int, now: float) -> int:
    workflow_id = version.workflow_id
    digest = document_digest(version.document)
    present = session.one(
        StoredVersion,
        "SELECT yaml, digest FROM revision WHERE workflow_id = ? AND number = ?",
        workflow_id,
        last,
    )
    # The same text is another document once a preset that it uses has changed.
    if present is not None and (version.yaml, digest) == (present.yaml, present.digest):
        return last
    session.run(
        "INSERT INTO revision (workflow_id, number, yaml, document, digest, note, author, at, accepted_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        workflow_id,
        last + 1,
        version.yaml,
        json.dumps(version.document, ensure_ascii=False),
        digest,
        version.note,
        version.author,
        now,
        version.accepted_by,
    )
    session.run(
        "DELETE FROM revision WHERE workflow_id = ? AND number <= ?", workflow_id, last + 1 - KEEP_REVISIONS
    )
    return last + 1


def roll_back(
    database: Database, actor: Actor, workflow_id: str, number: int, *, second_person: SecondPerson
) -> Saved:
    """Make an earlier version the newest again; history only ever grows."""
    with database.read() as session:
        yaml = workflows.revision(session, workflow_id, number).yaml
    return save(
        database,
        actor,
        yaml,
        second_person=second_person,
        workflow_id=workflow_id,
        note=f"Back to version {number}",
    )
