"""Presets as the dashboard keeps them: every version, who wrote it, and which workflows use it.

What writes a new version is ``preset_saving``.
"""

from __future__ import annotations

import time

from appliance.dashboard.http_errors import ConflictError, NotFoundError
from appliance.dashboard.security import Actor
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.database import Database, Session
from appliance.dashboard.store.preset_rows import (
    CurrentRules,
    PresetListed,
    PresetNewest,
    PresetRow,
    PresetVersionRow,
    PresetVersionShown,
    UsingDocument,
)
from appliance.documents.document import Document
from appliance.workflow.presets.files import KnownPreset
from appliance.workflow.presets.preset import PresetRules


class StoredPresets:
    """The dashboard's presets within one transaction. One that is not here may be a file of an appliance."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, name: str) -> KnownPreset | None:
        """The newest version; None where there is none, and for one that is archived."""
        row = self._session.one(
            CurrentRules,
            "SELECT p.revision, r.document FROM preset p JOIN preset_revision r"
            " ON r.name = p.name AND r.number = p.revision WHERE p.name = ? AND p.archived_at IS NULL",
            name,
        )
        if row is None:
            return None
        document = Document(row.document, f"the preset {name}")
        return KnownPreset(PresetRules.model_validate(row.document), document, str(row.revision))

    def missing(self, name: str) -> None:  # noqa: ARG002 - as Presets has it
        """Nothing is wrong: an appliance may have the file."""
        return


class DashboardPresets:
    """The same, each looked up in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> KnownPreset | None:
        """The newest version; None where there is none, and for one that is archived."""
        with self._database.read() as session:
            return StoredPresets(session).find(name)

    def missing(self, name: str) -> None:  # noqa: ARG002 - as Presets has it
        """Nothing is wrong: an appliance may have the file."""
        return


def preset(session: Session, name: str) -> PresetNewest:
    """One preset with its newest version; raises NotFoundError for an unknown name."""
    row = session.one(
        PresetNewest,
        "SELECT p.name, p.title, p.revision, p.created_at, p.changed_at, p.archived_at, r.yaml, r.document,"
        " r.author FROM preset p JOIN preset_revision r ON r.name = p.name AND r.number = p.revision"
        " WHERE p.name = ?",
        name,
    )
    if row is None:
        raise NotFoundError("There is no such preset.", "", "Go back to the list of presets.")
    return row


def presets(session: Session) -> list[PresetRow]:
    """Every preset that is not archived, with the workflows that use it."""
    rows = session.all(
        PresetListed,
        "SELECT p.name, p.title, p.revision, p.changed_at, r.document, r.author"
        " FROM preset p JOIN preset_revision r ON r.name = p.name AND r.number = p.revision"
        " WHERE p.archived_at IS NULL ORDER BY p.name",
    )
    users = users_of_all(session)
    return [PresetRow(**vars(row), used_by=users.get(row.name, [])) for row in rows]


def users_of_all(session: Session) -> dict[str, list[str]]:
    """The ids of the workflows that use each preset, by its name."""
    rows = session.all(
        UsingDocument,
        "SELECT w.id, r.document FROM workflow w JOIN revision r"
        " ON r.workflow_id = w.id AND r.number = w.revision WHERE w.archived_at IS NULL ORDER BY w.id",
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        for used in row.document.get("use", ()):
            found.setdefault(used if isinstance(used, str) else used["name"], []).append(row.id)
    return found


def history(session: Session, name: str) -> list[PresetVersionRow]:
    """Every version without its text, newest first."""
    return session.all(
        PresetVersionRow,
        "SELECT number, note, author, at FROM preset_revision WHERE name = ? ORDER BY number DESC",
        name,
    )


def revision(session: Session, name: str, number: int) -> PresetVersionShown:
    """One version; raises NotFoundError where there is none."""
    row = session.one(
        PresetVersionShown,
        "SELECT number, yaml, note, author, at FROM preset_revision WHERE name = ? AND number = ?",
        name,
        number,
    )
    if row is None:
        raise NotFoundError(f"There is no version {number} of {name}.", "", "Open its history.")
    return row


def archive(database: Database, actor: Actor, name: str) -> None:
    """Take it out of the list. Raises ConflictError where a workflow uses it."""
    with database.write() as session:
        preset(session, name)
        if users := users_of_all(session).get(name):
            raise ConflictError(
                f"{name} is used by {', '.join(users)}.",
                "Without it their columns would be decided by nothing.",
                "Take it from their `use` first.",
            )
        session.run("UPDATE preset SET archived_at = ? WHERE name = ?", time.time(), name)
        audit.record(session, actor, "preset.archive", name)
