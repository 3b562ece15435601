"""Presets: the list, one with its versions, and writing one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Path, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import OvertakenError
from appliance.dashboard.pages.editing.versions import DiffLine, difference
from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.store import documents, preset_saving, presets
from appliance.dashboard.store.documents import ProblemLine
from appliance.dashboard.store.preset_rows import (
    PresetNewest,
    PresetRow,
    PresetVersionRow,
    PresetVersionShown,
)
from appliance.dashboard.store.preset_saving import SavedPreset
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.masks import ExplainedMask, explain
from appliance.documents.json_schema import INSTALLED, comment
from appliance.documents.problems import WrongDocumentError

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]
Number = Annotated[int, Path(ge=1, le=2**31)]

BEGINNING = f"""\
{comment(f"{INSTALLED}/preset.json")}name: company-pii
title: What is personal in all of our databases
masks:
  # What a workflow says itself wins. A pattern that matches nothing in a database is nothing.
  "*.*.email": email
  "*.*.phone*": phone
keep:
  - "*.*.id"
"""


@dataclass(frozen=True)
class PresetsPage(View):
    """The list."""

    template: ClassVar[str] = "presets.html"
    rows: list[PresetRow]


@dataclass(frozen=True)
class PresetPage(View):
    """One preset, with its masks explained; ``used_by`` has ids of workflows."""

    template: ClassVar[str] = "preset.html"
    preset: PresetNewest
    versions: list[PresetVersionRow]
    used_by: list[str]
    masks: list[ExplainedMask]


@dataclass(frozen=True)
class PresetVersionPage(View):
    """One version, and what it changed."""

    template: ClassVar[str] = "preset_version.html"
    preset: PresetNewest
    version: PresetVersionShown
    diff: list[DiffLine]


@dataclass(frozen=True)
class PresetEditor(View):
    """The editor; ``preset`` is None for a new one, ``overtaken`` the version that was saved meanwhile."""

    template: ClassVar[str] = "preset_edit.html"
    preset: PresetNewest | None
    text: str
    based_on: int
    change_note: str = ""
    problems: list[ProblemLine] = field(default_factory=list)
    overtaken: int | None = None


@router.get("/presets")
def presets_page(request: Request, visitor: Visitor) -> Response:
    """The list."""
    with visitor.context.database.read() as session:
        rows = presets.presets(session)
    return page(visitor, request, PresetsPage(rows))


@router.get("/new-preset")
def new_page(request: Request, visitor: Visitor) -> Response:
    """A new one, begun with an example."""
    visitor.needs("editor")
    return page(visitor, request, PresetEditor(None, BEGINNING, 0))


@router.get("/presets/{name}")
def preset_page(request: Request, name: str, visitor: Visitor) -> Response:
    """One preset: what it masks and keeps, its versions, who uses it."""
    with visitor.context.database.read() as session:
        row = presets.preset(session, name)
        versions = presets.history(session, name)
        users = presets.users_of_all(session).get(name, [])
    masks = explain(row.document.get("masks", {}))
    return page(visitor, request, PresetPage(row, versions, users, masks))


@router.get("/presets/{name}/edit")
def edit_page(request: Request, name: str, visitor: Visitor) -> Response:
    """Change one."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        row = presets.preset(session, name)
    return page(visitor, request, PresetEditor(row, row.yaml, row.revision))


@router.get("/presets/{name}/history/{number}")
def version_page(request: Request, name: str, number: Number, visitor: Visitor) -> Response:
    """One version, and what it changed."""
    with visitor.context.database.read() as session:
        row = presets.preset(session, name)
        version = presets.revision(session, name, number)
        numbers = [each.number for each in presets.history(session, name)]
        before = presets.revision(session, name, number - 1).yaml if number - 1 in numbers else ""
    return page(visitor, request, PresetVersionPage(row, version, difference(before, version.yaml)))


def _save(request: Request, visitor: Visit, form: FormData, name: str | None) -> Response:
    visitor.needs("editor")
    text = text_of(form, "yaml").replace("\r\n", "\n")
    begun = text_of(form, "based_on")
    based_on = int(begun) if begun.isascii() and begun.isdigit() and len(begun) < 10 else 0
    note = text_of(form, "note")[:200]
    row = None
    if name is not None:
        with visitor.context.database.read() as session:
            row = presets.preset(session, name)
    try:
        saved = preset_saving.save(
            visitor.context.database,
            visitor.actor,
            text,
            second_person=visitor.context.settings.second_person,
            name=name,
            based_on=based_on if name else None,
            note=note,
        )
    except WrongDocumentError as error:
        problems = documents.problem_lines(error.problems)
        return page(visitor, request, PresetEditor(row, text, based_on, note, problems), status=422)
    except OvertakenError as error:
        # The next saving is meant for the version that is shown as present now.
        shown = PresetEditor(row, text, error.present, note, overtaken=error.present)
        return page(visitor, request, shown, status=409)
    return _after(saved)


def _after(saved: SavedPreset) -> Response:
    note = "preset-proposed" if saved.proposed else "preset-saved"
    return RedirectResponse(f"/presets/{saved.name}?note={note}", 303)


@router.post("/presets")
def create(request: Request, visitor: Visitor, form: Form) -> Response:
    """Save a new preset."""
    return _save(request, visitor, form, None)


@router.post("/presets/{name}/edit")
def change(request: Request, name: str, visitor: Visitor, form: Form) -> Response:
    """Save a new version."""
    return _save(request, visitor, form, name)


@router.post("/presets/{name}/history/{number}", dependencies=[Depends(checked_form)])
def roll_back(name: str, number: Number, visitor: Visitor) -> Response:
    """Make an earlier version the newest again."""
    visitor.needs("editor")
    return _after(
        preset_saving.roll_back(
            visitor.context.database,
            visitor.actor,
            name,
            number,
            second_person=visitor.context.settings.second_person,
        )
    )


@router.post("/presets/{name}/archive", dependencies=[Depends(checked_form)])
def archive(name: str, visitor: Visitor) -> Response:
    """Take one that no workflow uses out of the list."""
    visitor.needs("editor")
    presets.archive(visitor.context.database, visitor.actor, name)
    return RedirectResponse("/presets?note=preset-archived", 303)
