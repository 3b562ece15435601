"""Saving what was written: a new version, a proposal, or a question where another was faster."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import OvertakenError
from appliance.dashboard.pages.editing.edit import Form, Opened, Visitor, editor
from appliance.dashboard.pages.editing.versions import merge, overtaken
from appliance.dashboard.store import documents, saving, workflows
from appliance.dashboard.web.access import Visit, text_of
from appliance.documents.problems import WrongDocumentError

router = APIRouter()


class Versions(NamedTuple):
    """The version that a change began from, and the one that is saved now."""

    begun: int
    present: int


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _both(request: Request, visitor: Visit, form: FormData, workflow_id: str, versions: Versions) -> Response:
    """The editor with both changes in its text, to look over and to save."""
    text = text_of(form, "yaml").replace("\r\n", "\n")
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        base = workflows.revision(session, workflow_id, versions.begun).yaml
        theirs = workflows.revision(session, workflow_id, versions.present).yaml
    both = merge(base, text, theirs, f"version {versions.present}")
    return editor(
        request,
        visitor,
        row,
        documents.check(both.text, visitor.context.presets),
        Opened(based_on=versions.present, change_note=text_of(form, "note")[:200], merged_in=both),
    )


def _save(request: Request, visitor: Visit, form: FormData, workflow_id: str | None) -> Response:
    visitor.needs("editor")
    text = text_of(form, "yaml").replace("\r\n", "\n")
    number = _number(text_of(form, "based_on"))
    present, resolve = _number(text_of(form, "present")), text_of(form, "resolve")
    if workflow_id and resolve == "merge":
        return _both(request, visitor, form, workflow_id, Versions(number, present))
    if workflow_id and resolve == "overwrite":
        number = present
    try:
        saved = saving.save(
            visitor.context.database,
            visitor.actor,
            text,
            second_person=visitor.context.settings.second_person,
            workflow_id=workflow_id,
            based_on=number if workflow_id else None,
            note=text_of(form, "note"),
        )
    except OvertakenError as error:
        if workflow_id is None:
            raise
        with visitor.context.database.read() as session:
            row = workflows.workflow(session, workflow_id)
            shown = overtaken(session, workflow_id, number, error.present, text)
        note = text_of(form, "note")[:200]
        response = editor(
            request,
            visitor,
            row,
            documents.check(text, visitor.context.presets),
            Opened(number, note, overtaken=shown),
        )
        response.status_code = 409
        return response
    except WrongDocumentError:
        row = None
        if workflow_id is not None:
            with visitor.context.database.read() as session:
                row = workflows.workflow(session, workflow_id)
        response = editor(
            request,
            visitor,
            row,
            documents.check(text, visitor.context.presets),
            Opened(number, text_of(form, "note")[:200]),
        )
        response.status_code = 422
        return response
    if saved.proposal_id:
        return RedirectResponse(f"/proposals/{saved.proposal_id}?note=proposed", 303)
    note = "unchanged" if saved.number == number else "saved"
    return RedirectResponse(f"/workflows/{saved.workflow_id}?note={note}", 303)


@router.post("/workflows")
def create(request: Request, visitor: Visitor, form: Form) -> Response:
    """Save a new workflow."""
    return _save(request, visitor, form, None)


@router.post("/workflows/{workflow_id}/edit")
def change(request: Request, workflow_id: str, visitor: Visitor, form: Form) -> Response:
    """Save a new version."""
    return _save(request, visitor, form, workflow_id)
