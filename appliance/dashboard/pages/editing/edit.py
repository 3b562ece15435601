"""Writing a workflow: form and YAML side by side, checked as they are typed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, JSONResponse, Response

from appliance.contract.catalog import UncoveredColumn
from appliance.dashboard.pages.editing import workflow_form, yaml_edit
from appliance.dashboard.pages.editing.columns import ColumnsPart, changed, columns_html, columns_part
from appliance.dashboard.pages.editing.failed_line import line_about
from appliance.dashboard.pages.editing.field_errors import field_errors
from appliance.dashboard.pages.editing.versions import Merged, Overtaken
from appliance.dashboard.pages.editing.workflow_form import WorkflowForm
from appliance.dashboard.pages.rendering import View, page, rendered
from appliance.dashboard.store import documents, proposals, workflows
from appliance.dashboard.store.appliances import catalogs, drift_checks
from appliance.dashboard.store.database import Session
from appliance.dashboard.store.documents import Checked, ProblemLine
from appliance.dashboard.store.rows import Lenient
from appliance.dashboard.store.run_history import runs
from appliance.dashboard.store.workflow_rows import WorkflowNewest
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.decisions import Change, read_change
from appliance.dashboard.web.masks import Card, cards
from appliance.dashboard.web.plans import draft_shown, merged
from appliance.dashboard.web.policy_fit import Fit, fits
from appliance.dashboard.widening import widening
from appliance.documents.json_schema import INSTALLED, comment

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]

BEGINNING = f"""\
{comment(f"{INSTALLED}/workflow.json")}id: nightly-twin
title: Nightly twin
schedule: "0 2 * * *"
source: production
tables:
  include: ["public.*"]
masks:
  # The most specific pattern wins. A column that nothing covers stops the run before a row is read.
  "public.*.email": email
keep:
  - "public.*.id"
deliver:
  - twin: {{connection: staging}}
"""


class Merge(BaseModel):
    """Whose uncovered columns are put into the document: of a plan, a check or a run on an appliance."""

    planned_on: str = Field(default="", max_length=36)
    checked_on: str = Field(default="", max_length=36)
    uncovered_on: str = Field(default="", max_length=36)
    failed_on: str = Field(default="", max_length=36)
    run: str = Field(default="", max_length=200)
    proposal: str = Field(default="", max_length=36)


@dataclass(frozen=True)
class Fields(View):
    """The form's fields; the id of a workflow that is not new cannot be changed."""

    template: ClassVar[str] = "workflow_fields.html"
    form: WorkflowForm
    cards: tuple[Card, ...]
    is_new: bool
    part: ColumnsPart
    connections: tuple[str, ...]


@dataclass(frozen=True)
class Problems(View):
    """What is wrong with a document, what policies say to it, and what it keeps more than before."""

    template: ClassVar[str] = "problems.html"
    problems: list[ProblemLine]
    against: list[Fit]
    wider: tuple[str, ...]
    notes: list[str]


@dataclass(frozen=True)
class Opened:
    """With what the editor is opened besides a document."""

    based_on: int | None = None
    """The version that was edited; None for the newest."""
    change_note: str = ""
    overtaken: Overtaken | None = None
    merged_in: Merged | None = None
    failed: Lenient | None = None
    """How a run failed that led here, and the line that it leads to."""
    line: int | None = None


@dataclass(frozen=True)
class EditorPage(View):
    """The editor; ``workflow`` is None for a new one, ``columns`` the screen that follows the YAML."""

    template: ClassVar[str] = "workflow_edit.html"
    workflow: WorkflowNewest | None
    part: ColumnsPart
    columns: str
    checked: Checked
    problems: list[ProblemLine]
    errors: dict[str, str]
    against: list[Fit]
    wider: tuple[str, ...]
    notes: list[str]
    form: WorkflowForm
    connections: tuple[str, ...]
    cards: tuple[Card, ...]
    is_new: bool
    based_on: int
    change_note: str
    overtaken: Overtaken | None
    merged_in: Merged | None
    failed: Lenient | None
    line: int | None


def editor(
    request: Request,
    visitor: Visit,
    row: WorkflowNewest | None,
    checked: Checked,
    opened: Opened = Opened(),
) -> HTMLResponse:
    """The editor with a document in it."""
    workflow_id = row.id if row else ""
    part = columns_part(visitor, checked, FormData(), workflow_id)
    apart = part.screen is not None
    newest = row.revision if row else 0
    shown = EditorPage(
        workflow=row,
        part=part,
        columns=columns_html(part),
        checked=checked,
        problems=checked.by_line(),
        errors=field_errors(checked, apart=apart),
        against=_against(visitor, checked, workflow_id),
        wider=_wider(visitor, checked),
        notes=checked.notes,
        form=workflow_form.view(checked.data, apart=apart),
        connections=part.sources.connections,
        cards=cards(),
        is_new=row is None,
        based_on=newest if opened.based_on is None else opened.based_on,
        change_note=opened.change_note,
        overtaken=opened.overtaken,
        merged_in=opened.merged_in,
        failed=opened.failed,
        line=opened.line,
    )
    return page(visitor, request, shown)


@router.get("/new-workflow")
def new_page(request: Request, visitor: Visitor, proposal: str = "") -> Response:
    """A new workflow, begun with an example or with a proposal."""
    visitor.needs("editor")
    text = BEGINNING
    if proposal:
        with visitor.context.database.read() as session:
            text = proposals.proposal(session, proposal).yaml
    return editor(request, visitor, None, documents.check(text, visitor.context.presets))


@router.get("/workflows/{workflow_id}/edit")
def edit_page(
    request: Request, workflow_id: str, visitor: Visitor, wanted: Annotated[Merge, Query()]
) -> Response:
    """Change a workflow; begun with suggestions for the columns at which a run or a plan was refused."""
    visitor.needs("editor")
    with visitor.context.database.read() as session:
        row = workflows.workflow(session, workflow_id)
        uncovered = _uncovered(session, workflow_id, wanted)
        failed = _failed(session, workflow_id, wanted)
        proposed = proposals.proposal(session, wanted.proposal) if wanted.proposal else None
    if proposed is not None and proposed.workflow_id == workflow_id:
        # Begun from where it began: what has changed since is found when it is saved, and can be merged.
        base = proposed.base or row.revision
        return editor(
            request,
            visitor,
            row,
            documents.check(proposed.yaml, visitor.context.presets),
            Opened(based_on=base, change_note=proposed.note),
        )
    checked = documents.check(row.yaml, visitor.context.presets)
    if uncovered and checked.data:
        checked = documents.check(_merged(checked, uncovered), visitor.context.presets)
    line = None
    if failed is not None:
        words = [failed[key] or "" for key in ("next_step", "what", "why")]
        line = line_about(checked.text, words, failed["table"] or "")
    return editor(request, visitor, row, checked, Opened(failed=failed, line=line))


def _against(visitor: Visit, checked: Checked, workflow_id: str) -> list[Fit]:
    """What the policies of its appliances, as far as they are reported, say to it."""
    if checked.workflow is None:
        return []
    with visitor.context.database.read() as session:
        return fits(session, checked.workflow, workflow_id)


def _wider(visitor: Visit, checked: Checked) -> tuple[str, ...]:
    """Why saving this would make a proposal; empty where it would not."""
    if checked.workflow is None or visitor.context.settings.second_person == "no":
        return ()
    with visitor.context.database.read() as session:
        return widening(proposals.present_document(session, checked.workflow.id), checked.workflow)


def _failed(session: Session, workflow_id: str, wanted: Merge) -> Lenient | None:
    """Why a run of this workflow failed, where the editor was opened for it."""
    if not wanted.failed_on:
        return None
    run = runs.run(session, wanted.failed_on, wanted.run)
    failure = run.outcome["failure"] if run.workflow_id == workflow_id else None
    return Lenient(failure | {"appliance_id": wanted.failed_on, "run_id": wanted.run}) if failure else None


def _merged(checked: Checked, uncovered: Iterable[UncoveredColumn]) -> str:
    """The YAML with what is suggested for these columns."""
    data, decide = merged(checked.data, uncovered)
    lines = yaml_edit.edit(checked.text, checked.data, data).rstrip("\n").split("\n")
    return "\n".join([*lines, *(line for line in decide if line not in lines)]) + "\n"


def _changed(visitor: Visit, before: Checked, form: FormData, workflow_id: str, change: Change) -> str:
    """The YAML after a click."""
    if change.act == "merge":
        with visitor.context.database.read() as session:
            plan = draft_shown(session, change.what).plan
        return _merged(before, plan.uncovered) if plan is not None else before.text
    return changed(before, columns_part(visitor, before, form, workflow_id), change)


def _uncovered(session: Session, workflow_id: str, wanted: Merge) -> tuple[UncoveredColumn, ...]:
    if wanted.planned_on:
        found = catalogs.plan(session, wanted.planned_on, workflow_id)
        return found.plan.uncovered if found else ()
    if wanted.checked_on:
        check = drift_checks.checked(session, wanted.checked_on, workflow_id)
        return check.found.uncovered if check else ()
    return catalogs.uncovered(session, wanted.uncovered_on, wanted.run) if wanted.uncovered_on else ()


@router.post("/preview-workflow")
def preview(visitor: Visitor, form: Form) -> Response:
    """What the other side should show, and what is wrong: after each pause in typing.

    ``edited`` says which side was changed; ``add`` (``mask``, ``row`` or ``twin``) asks for an empty row.
    """
    visitor.needs("editor")
    text = text_of(form, "yaml").replace("\r\n", "\n")
    change = read_change(text_of(form, "change"))
    workflow_id = text_of(form, "id") if text_of(form, "based_on") != "0" else ""
    if change is not None:
        before = documents.check(text, visitor.context.presets)
        if before.data:
            text = _changed(visitor, before, form, workflow_id, change)
    elif text_of(form, "edited") == "form":
        before = documents.check(text, visitor.context.presets)
        if not before.data and text.strip():
            # Not readable as YAML: the form cannot know what it would overwrite.
            return _previewed(visitor, before, form, workflow_id)
        text = yaml_edit.edit(text, before.data, workflow_form.document(form, before.data))
    return _previewed(visitor, documents.check(text, visitor.context.presets), form, workflow_id)


def _previewed(visitor: Visit, checked: Checked, form: FormData, workflow_id: str) -> Response:
    part: ColumnsPart = columns_part(visitor, checked, form, workflow_id)
    view = workflow_form.view(checked.data, apart=part.screen is not None)
    view.add_empty(text_of(form, "add"))
    fields = rendered(
        Fields(
            form=view,
            cards=cards(),
            is_new=text_of(form, "based_on") == "0",
            part=part,
            connections=part.sources.connections,
        )
    )
    problems = rendered(
        Problems(
            problems=checked.by_line(),
            against=_against(visitor, checked, workflow_id),
            wider=_wider(visitor, checked),
            notes=checked.notes,
        )
    )
    return JSONResponse(
        {
            "yaml": checked.text,
            "readable": bool(checked.data) or not checked.text.strip(),
            "fields": fields,
            "columns": columns_html(part),
            "problems": problems,
            "lines": sorted({problem.line for problem in checked.problems if problem.line}),
            "valid": checked.workflow is not None,
            "errors": field_errors(checked, apart=part.screen is not None),
        }
    )
