"""Saving a preset: a new version of it, and one of each workflow that uses it.

A workflow that would keep more waits for a second person, as after any other change, and has the former rules
until then.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from appliance.contract.calls import MAX_DOCUMENT_BYTES
from appliance.dashboard.http_errors import ConflictError, NotFoundError, OvertakenError, TooLargeError
from appliance.dashboard.security import Actor, SecondPerson
from appliance.dashboard.store import documents, presets, proposals, saving, workflows
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.preset_rows import PresetPlace
from appliance.dashboard.store.presets import StoredPresets
from appliance.dashboard.widening import widening
from appliance.errors import WrongRequestError


@dataclass(frozen=True)
class SavedPreset:
    """What came of saving."""

    name: str
    number: int
    changed: list[str] = field(default_factory=list)
    """The workflows that have a new version."""
    proposed: list[str] = field(default_factory=list)
    """The workflows that would keep more, and wait for a second person."""


def save(
    database: Database,
    actor: Actor,
    yaml: str,
    *,
    second_person: SecondPerson,
    name: str | None = None,
    based_on: int | None = None,
    note: str = "",
) -> SavedPreset:
    """Store a new version, and bring it to every workflow that uses the preset.

    ``name`` is None for a new preset. ``based_on`` is the version that was edited: another one in between is
    an error. Raises WrongDocumentError with every problem of the document.
    """
    known = documents.require_preset(yaml)
    new = known.rules.name
    if name is not None and name != new:
        raise WrongRequestError(
            f"The name must stay {name}.",
            "Workflows use it by its name.",
            "Make a new preset to have another name.",
        )
    text = json.dumps(known.document.data, ensure_ascii=False)
    if len(text.encode()) > MAX_DOCUMENT_BYTES or len(yaml.encode()) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(
            "That preset is too large.",
            f"A workflow with all of its rules may have {MAX_DOCUMENT_BYTES // 1024} KiB.",
            "Use patterns instead of single columns, or split it.",
        )
    now = time.time()
    with database.write() as session:
        present = session.one(PresetPlace, "SELECT revision, archived_at FROM preset WHERE name = ?", new)
        last = present.revision if present else 0
        _check_place(new, name, last, based_on, archived=bool(present and present.archived_at))
        same = present is not None and presets.revision(session, new, last).yaml == yaml
        if same and present is not None and not present.archived_at:
            return SavedPreset(new, last)
        title = known.rules.title or new
        if not last:
            session.run(
                "INSERT INTO preset (name, title, revision, created_at, changed_at) VALUES (?, ?, 1, ?, ?)",
                new,
                title,
                now,
                now,
            )
        session.run(
            "INSERT INTO preset_revision (name, number, yaml, document, note, author, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            new,
            last + 1,
            yaml,
            text,
            note.strip()[:200],
            actor.name,
            now,
        )
        session.run(
            "UPDATE preset SET title = ?, revision = ?, changed_at = ?, archived_at = NULL WHERE name = ?",
            title,
            last + 1,
            now,
            new,
        )
        session.run(
            "DELETE FROM preset_revision WHERE name = ? AND number <= ?",
            new,
            last + 1 - saving.KEEP_REVISIONS,
        )
        audit.record(session, actor, "preset.change" if last else "preset.create", new, version=last + 1)
        saved = SavedPreset(new, last + 1)
        for workflow_id in presets.users_of_all(session).get(new, []):
            _bring(session, actor, workflow_id, saved, second_person)
    return saved


def roll_back(
    database: Database, actor: Actor, name: str, number: int, *, second_person: SecondPerson
) -> SavedPreset:
    """Make an earlier version the newest again; history only ever grows."""
    with database.read() as session:
        yaml = presets.revision(session, name, number).yaml
    note = f"Back to version {number}"
    return save(database, actor, yaml, second_person=second_person, name=name, note=note)


def _check_place(new: str, name: str | None, last: int, based_on: int | None, *, archived: bool) -> None:
    if name is None and last and not archived:
        raise ConflictError(f"There is already a preset {new}.", "", "Choose another name, or open it.")
    if name is not None and not last:
        raise NotFoundError(f"There is no preset {name}.", "", "Go back to the list.")
    if last and based_on is not None and based_on != last:
        raise OvertakenError(based_on, last)


def _bring(
    session: Session, actor: Actor, workflow_id: str, saved: SavedPreset, second_person: SecondPerson
) -> None:
    row = workflows.workflow(session, workflow_id)
    wanted = documents.require(row.yaml, StoredPresets(session))
    note = f"{saved.name} has version {saved.number}"
    present = proposals.present_document(session, workflow_id)
    if second_person != "no" and widening(present, wanted):
        base = row.revision
        proposals.propose(session, actor, workflow_id, row.yaml, base=base, note=note)
        saved.proposed.append(workflow_id)
        return
    version = saving.Version.of(wanted, row.yaml, note, actor.name)
    number = saving.put(session, wanted, version)
    if number != row.revision:
        audit.record(session, actor, "workflow.change", workflow_id, version=number, preset=saved.name)
        saved.changed.append(workflow_id)
