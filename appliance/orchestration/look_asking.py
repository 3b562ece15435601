"""From a command's row to the look that it asks for. Imports no Airflow and no step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from appliance.branches.asked import BranchAsked
from appliance.errors import WrongRequestError
from appliance.orchestration.looks import Look
from appliance.orchestration.start_and_stop import find_workflow
from appliance.policy.refusal import Origin
from appliance.rehearsals.asking import RehearsalAsked, SqlText
from appliance.settings.settings import Settings
from appliance.workflow.loading import load_workflow

_PLAIN: dict[str, Literal["scan", "plan", "test"]] = {"scan": "scan", "plan": "plan", "test": "test"}
AT_BRANCHES = ("branch", "rehearse")
"""The kinds of command that work at branches of a twin."""
LOOKS = (*_PLAIN, *AT_BRANCHES)
"""The kinds of command that are done as looks."""


class _Payload(BaseModel):
    """What a command about branches has brought along."""

    model_config = ConfigDict(extra="ignore")

    workflow: str
    on: str | None = None
    act: Literal["list", "create", "reset", "extend", "drop"] = "list"
    name: str | None = None
    ttl: str | None = None
    sql: tuple[SqlText, ...] = ()
    image: str | None = None
    command: tuple[str, ...] = ()
    down: tuple[SqlText, ...] = ()
    keep: bool = False


def look_of(
    settings: Settings, command_id: UUID, kind: str, payload: Mapping[str, str], origin: Origin
) -> Look:
    """The look. Raises WrongRequestError where there is no such twin, or no migration."""
    if kind in _PLAIN:
        return Look(
            kind=_PLAIN[kind],
            command_id=command_id,
            connection=payload.get("connection"),
            workflow=payload.get("workflow"),
            digest=payload.get("digest"),
            draft=payload.get("draft"),
            origin=origin,
        )
    # Sessions take memory that the status service, which loads this, has for nothing else.
    from appliance.branches.opening import twin_of  # noqa: PLC0415

    given = _Payload.model_validate(payload)
    workflow = load_workflow(Path(find_workflow(settings, given.workflow).path), settings.config_dir).workflow
    twin = twin_of(workflow, given.on)
    if kind == "branch":
        asked = BranchAsked(act=given.act, name=given.name, ttl=given.ttl, connection=twin)
        return Look(kind="branch", command_id=command_id, workflow=workflow.id, branch=asked, origin=origin)
    rehearsal = RehearsalAsked(
        connection=twin,
        sql=given.sql,
        image=given.image,
        command=given.command,
        down=given.down,
        keep=given.keep,
    )
    if bool(rehearsal.sql) == bool(rehearsal.image):
        what = "There is no migration to rehearse." if not rehearsal.sql else "There are two migrations."
        raise WrongRequestError(what, "It is files of SQL, or it is an image.")
    # What is no SQL, or reaches beyond a branch, is said at once.
    rehearsal.up_script()
    rehearsal.down_script()
    return Look(
        kind="rehearse", command_id=command_id, workflow=workflow.id, rehearsal=rehearsal, origin=origin
    )
