"""The columns screen beside a workflow's YAML: what of it is shown, and what a click does to the YAML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from appliance.dashboard.pages.editing import yaml_edit
from appliance.dashboard.pages.editing.workflow_form import parameter_value
from appliance.dashboard.pages.rendering import View, rendered
from appliance.dashboard.store.appliances import commands
from appliance.dashboard.store.documents import Checked
from appliance.dashboard.web import decisions
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.column_lines import ColumnLine
from appliance.dashboard.web.columns import FILTERS, Asked, Screen, screen
from appliance.dashboard.web.decisions import Change
from appliance.dashboard.web.sources import Sources, sources

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class ColumnsPart:
    """What the screen is drawn from; ``screen`` is None without a catalog, or without readable rules."""

    sources: Sources
    screen: Screen | None
    asked: Asked


@dataclass(frozen=True)
class ColumnsLive(View):
    """The columns screen."""

    template: ClassVar[str] = "columns_live.html"
    part: ColumnsPart


def asked_of(form: FormData, new_since: float) -> Asked:
    """What is to be shown, as the page's fields say."""
    try:
        given = json.loads(text_of(form, "c_unfolded") or "[]")
    except ValueError:
        given = []
    unfolded = frozenset(each for each in given[:500] if isinstance(each, str)) if given else frozenset()
    wanted = text_of(form, "c_filter")
    return Asked(
        search=text_of(form, "c_search")[:100],
        filter=wanted if wanted in FILTERS else "all",
        unfolded=unfolded,
        options_of=text_of(form, "c_options")[:1000],
        new_since=new_since,
    )


def columns_part(visitor: Visit, checked: Checked, form: FormData, workflow_id: str) -> ColumnsPart:
    """All that the screen shows of a document to a person."""
    source = checked.data.get("source")
    with visitor.context.database.read() as session:
        found = sources(
            session, workflow_id, source if isinstance(source, str) else "", text_of(form, "catalog")
        )
    for place in found.places[:1]:
        visitor.context.attention.watch(place.appliance_id)
    asked = asked_of(form, found.last_run)
    shown = screen(checked.resolved, found.catalog, asked) if found.catalog is not None else None
    return ColumnsPart(found, shown, asked)


def columns_html(part: ColumnsPart) -> str:
    """The part of the page that follows the YAML."""
    return rendered(ColumnsLive(part))


def changed(checked: Checked, part: ColumnsPart, change: Change) -> str:
    """The YAML after a click; unchanged where there is nothing to change."""
    after = _changed_data(checked.data, part, change)
    return yaml_edit.edit(checked.text, checked.data, after)


def _changed_data(data: dict[str, Any], part: ColumnsPart, change: Change) -> dict[str, Any]:
    if change.act == "include":
        return decisions.include(data, change.what)
    if change.act == "drop":
        return decisions.drop(data, change.what)
    if part.screen is None:
        return data
    if change.act == "accept":
        return decisions.accept(data, part.screen.suggested(change.scope, change.what))
    line = next((each for each in part.screen.lines if each.pattern == change.what), None)
    return data if line is None else _of_column(data, line, change)


def _of_column(data: dict[str, Any], line: ColumnLine, change: Change) -> dict[str, Any]:
    if change.act == "decide":
        return decisions.decide(data, line.pattern, change.to)
    if change.act == "because":
        return decisions.set_because(data, line.pattern, change.value.strip())
    parameters = line.card.parameters if line.card else ()
    parameter = next((each for each in parameters if each.name == change.to), None)
    if parameter is None:
        return data
    text = change.value.strip()
    value = parameter_value(parameter, text) if text else None
    return decisions.set_option(data, line.pattern, parameter.name, value)


@router.post("/ask-for-scan")
def ask_for_scan(visitor: Visitor, form: Form) -> Response:
    """Ask an appliance to look at a connection. The page asks again how it stands."""
    visitor.needs("editor")
    appliance_id, _, connection = text_of(form, "catalog").partition("/")
    command_id = commands.send(
        visitor.context.database, visitor.actor, appliance_id, "scan", {"connection": connection}
    )
    visitor.context.attention.watch(appliance_id)
    return JSONResponse({"command": command_id})
