"""Management calls about presets: named sets of rules that workflows use."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Depends
from pydantic import Field

from appliance.contract.calls import MAX_DOCUMENT_BYTES, Problem
from appliance.dashboard.api.answers import Answer
from appliance.dashboard.api.appliances import Deck, Editor, Given
from appliance.dashboard.api.workflow_answers import CheckedWorkflow, ProblemRow
from appliance.dashboard.api.workflows import Number, RollBack
from appliance.dashboard.store import documents, preset_saving, presets
from appliance.dashboard.store.preset_rows import (
    PresetRow,
    PresetShown,
    PresetVersionRow,
    PresetVersionShown,
)
from appliance.dashboard.web.access import api_role

router = APIRouter(
    prefix="/v1/presets",
    tags=["management"],
    dependencies=[Depends(api_role("viewer"))],
    responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 422, 429, 503)},
)


class PresetText(Given):
    """A preset's document as it is typed."""

    yaml: str = Field(max_length=MAX_DOCUMENT_BYTES, examples=["name: company-pii\n"])
    note: str = Field(default="", max_length=200, description="Why it was changed.")


class PresetChange(PresetText):
    """A new version of a preset."""

    based_on: int | None = Field(
        default=None,
        ge=1,
        le=2**31,
        description="The version that was edited; another one since is a conflict.",
    )


class PresetSaved(Answer):
    """What came of saving one."""

    name: str
    revision: int
    changed: list[str]
    proposed: list[str]


@router.post("/check")
def check_preset(given: PresetText) -> CheckedWorkflow:
    """Everything that is wrong with a preset, by line and key, without saving it."""
    problems = [ProblemRow.model_validate(asdict(each)) for each in documents.check_preset(given.yaml)]
    return CheckedWorkflow(valid=not problems, problems=problems)


@router.get("")
def list_presets(context: Deck) -> list[PresetRow]:
    """Every preset that is not archived, and the workflows that use it."""
    with context.database.read() as session:
        return presets.presets(session)


@router.post("", status_code=201)
def add_preset(actor: Editor, context: Deck, given: PresetText) -> PresetSaved:
    """Save a new preset."""
    return _saved(
        preset_saving.save(
            context.database,
            actor,
            given.yaml,
            second_person=context.settings.second_person,
            note=given.note,
        )
    )


@router.get("/{name}")
def show_preset(context: Deck, name: str) -> PresetShown:
    """One preset, and the workflows that use it."""
    with context.database.read() as session:
        row = presets.preset(session, name)
        users = presets.users_of_all(session).get(name, [])
    return PresetShown(**vars(row), used_by=users)


@router.put("/{name}")
def change_preset(actor: Editor, context: Deck, name: str, given: PresetChange) -> PresetSaved:
    """Save a new version. Each workflow that uses it gets one too, or a proposal where it would keep more."""
    return _saved(
        preset_saving.save(
            context.database,
            actor,
            given.yaml,
            second_person=context.settings.second_person,
            name=name,
            based_on=given.based_on,
            note=given.note,
        )
    )


@router.delete("/{name}", status_code=204)
def archive_preset(actor: Editor, context: Deck, name: str) -> None:
    """Take one that no workflow uses out of the list; its history stays."""
    presets.archive(context.database, actor, name)


@router.get("/{name}/versions")
def list_preset_versions(context: Deck, name: str) -> list[PresetVersionRow]:
    """Every version, newest first."""
    with context.database.read() as session:
        presets.preset(session, name)
        return presets.history(session, name)


@router.get("/{name}/versions/{number}")
def show_preset_version(context: Deck, name: str, number: Number) -> PresetVersionShown:
    """One version with its text."""
    with context.database.read() as session:
        return presets.revision(session, name, number)


@router.post("/{name}/roll-back")
def roll_back_preset(actor: Editor, context: Deck, name: str, given: RollBack) -> PresetSaved:
    """Make an earlier version the newest again."""
    return _saved(
        preset_saving.roll_back(
            context.database, actor, name, given.version, second_person=context.settings.second_person
        )
    )


def _saved(saved: preset_saving.SavedPreset) -> PresetSaved:
    return PresetSaved(name=saved.name, revision=saved.number, changed=saved.changed, proposed=saved.proposed)
