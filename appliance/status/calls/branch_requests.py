"""What the owner asks for over the API: work at branches of a twin, and rehearsals in them.

Each is a command like those of the dashboard, by another origin: policy is asked where they are worked off,
the work is done by a step, and the answer stands with the command. Its id may be the caller's, so that a
request whose answer was lost can be sent again.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, model_validator

from appliance.contract.branches import BranchAct, BranchName
from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.calls.owner_requests import EXPIRES_S, Asked, put
from appliance.store.asked_by import BY, PAGE
from appliance.store.asked_work import AskedWork, find_work
from appliance.store.database import Connection, connect

MOST_AN_HOUR = 600
"""Of a pipeline that has gone wild. The dashboard's commands are counted apart."""
MAX_SQL_BYTES = 4 * 2**20
WHY = "It was asked for over the appliance's API."
_NO_NUL = r"^[^\x00]*$"
"""What a database can hold."""


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: UUID | None = Field(default=None, description="A name for the request: sent again, it is done once.")
    workflow: str = Field(
        min_length=1, max_length=100, pattern=_NO_NUL, description="The workflow, by its id."
    )
    on: str | None = Field(
        default=None,
        max_length=63,
        pattern=_NO_NUL,
        description="The twin's connection, where there are several.",
    )


class WantedBranch(_Wanted):
    """What is to be done to the branches of a twin."""

    act: BranchAct = Field(description="What to do.")
    name: BranchName | None = Field(default=None, description="The branch; none to list them.")
    ttl: str | None = Field(
        default=None, max_length=20, pattern=_NO_NUL, description="How long it is to stand: 90m, 12h, 3d."
    )


class SqlOfMigration(BaseModel):
    """One file of a migration."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=300, pattern=_NO_NUL, description="What the file is called.")
    text: str = Field(max_length=MAX_SQL_BYTES, pattern=_NO_NUL, description="What stands in it.")


class WantedRehearsal(_Wanted):
    """A migration to rehearse: files of SQL, or an image that policy names."""

    sql: list[SqlOfMigration] = Field(default=[], max_length=200, description="The migration, as files.")
    image: str | None = Field(
        default=None, max_length=400, pattern=_NO_NUL, description="The migration, as an image."
    )
    command: list[Annotated[str, Field(max_length=1000, pattern=_NO_NUL)]] = Field(
        default=[], max_length=100, description="Arguments for its entry point."
    )
    down: list[SqlOfMigration] = Field(default=[], max_length=200, description="Its way back.")
    keep: bool = Field(default=False, description="Whether the branch stays until it ends by itself.")

    @model_validator(mode="after")
    def _one_migration(self) -> Self:
        if bool(self.image) == bool(self.sql):
            raise ValueError("name an image, or send files of SQL")
        if sum(len(each.text) for each in (*self.sql, *self.down)) > MAX_SQL_BYTES:
            raise ValueError(f"all files together have {MAX_SQL_BYTES // 2**20} MiB at most")
        return self


class WorkAccepted(BaseModel):
    """Where what was asked for can be looked at."""

    id: UUID = Field(description="GET /work/ID says how far it is.")


def ask_for_work(
    settings: Settings, kind: Literal["branch", "rehearse"], wanted: WantedBranch | WantedRehearsal
) -> WorkAccepted:
    """Raises WrongRequestError for a workflow that is not there, psycopg.Error while the database is away."""
    from appliance.orchestration.start_and_stop import find_workflow  # noqa: PLC0415 - see serving

    find_workflow(settings, wanted.workflow)
    command_id = wanted.id or uuid4()
    payload = wanted.model_dump(mode="json", exclude={"id"}, exclude_none=True)
    with connect(settings.database_url) as db:
        _require_budget(db, str(command_id))
        db.execute(
            "INSERT INTO appliance.command (command_id, kind, payload, state, expires_at)"
            " VALUES (%s, %s, %s, 'received', now() + make_interval(secs => %s)) ON CONFLICT DO NOTHING",
            [str(command_id), kind, Jsonb(payload | {BY: PAGE}), EXPIRES_S],
        )
    _work_off(settings)
    return WorkAccepted(id=command_id)


def _require_budget(db: Connection, command_id: str) -> None:
    found = db.execute(
        "SELECT count(*) AS asked FROM appliance.command WHERE received_at > now() - interval '1 hour'"
        " AND payload ->> %s = %s AND kind IN ('branch', 'rehearse') AND command_id <> %s",
        [BY, PAGE, command_id],
    ).fetchone()
    if found is not None and found["asked"] >= MOST_AN_HOUR:
        raise WrongRequestError(
            f"{found['asked']} requests about branches and rehearsals came within an hour.",
            "More than that are not taken: a pipeline may be asking in a loop.",
            "Ask again later.",
        )


def cancel_work(settings: Settings, work_id: UUID) -> Asked:
    """End a rehearsal. Raises WrongRequestError for none of that id or one that is over, psycopg.Error."""
    from appliance.orchestration.rehearsal_cancelling import (  # noqa: PLC0415 - see serving
        cancel_rehearsal,
        require_open,
    )

    with connect(settings.database_url) as db:
        if not settings.is_split:
            cancel_rehearsal(db, settings, str(work_id), WHY)
        else:
            require_open(db, str(work_id))
            put(settings, "cancel", {"command_id": str(work_id)})
    return Asked(said="Asked for: it ends within seconds, and its branch is dropped.")


def look_at_work(settings: Settings, work_id: UUID) -> AskedWork:
    """How far it is. Raises WrongRequestError for none of that id, psycopg.Error as above."""
    with connect(settings.database_url) as db:
        found = find_work(db, str(work_id))
    if found is None:
        raise WrongRequestError(f"Nothing was asked for under {work_id}, or it was forgotten since.")
    if found.state == "queued" and found.started_at is None:
        _work_off(settings)
    return found


def _work_off(settings: Settings) -> None:
    """Where no other process has the right to, it is done here."""
    if settings.is_split:
        return
    from appliance.cloud.commands import CloudCommands  # noqa: PLC0415
    from appliance.cloud.wanted_release import WantedRelease  # noqa: PLC0415
    from appliance.orchestration.look_asking import AT_BRANCHES  # noqa: PLC0415

    commands = CloudCommands(settings, WantedRelease(settings), kinds=AT_BRANCHES)
    with connect(settings.database_url) as db:
        commands.work(db, lambda: None)
