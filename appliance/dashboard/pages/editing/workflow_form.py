"""The workflow's form: a document's data as fields, and the fields as data again.

What the form has no field for stays as it was in the document.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData

from appliance.dashboard.pages.editing import delivery_form
from appliance.dashboard.pages.editing.form_fields import as_text, lines_of, mapping_of, put, text_in, typed
from appliance.dashboard.web.decisions import is_literal
from appliance.dashboard.web.masks import Parameter, cards
from appliance.documents import strict_yaml
from appliance.documents.document import scalar
from appliance.documents.problems import WrongDocumentError
from appliance.workflow.limits import Limits

UNLISTED = ("halt", "null", "keep")
LIMITS: tuple[tuple[str, str, str], ...] = (
    ("parallel", "Parallel copies", ""),
    ("memory_mb", "Memory of a step", "MiB"),
    ("cpus", "CPUs of a step", ""),
    ("run_timeout_min", "Time limit of a run", "min"),
)
"""The limits that the form has a field for: key, label and unit."""


@dataclass(frozen=True)
class MaskRow:
    """A mask of a pattern; ``params`` is what the document says beside the mask's name."""

    pattern: str = ""
    mask: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FilterRow:
    """Which rows of a table come along."""

    pattern: str = ""
    last_days: str = ""
    by: str = ""
    where: str = ""


@dataclass(frozen=True)
class LimitField:
    """A limit, and what it is where the document says nothing."""

    key: str
    label: str
    unit: str
    value: str
    usual: str


@dataclass(frozen=True)
class WorkflowForm:
    """A document as fields: texts, several lines where a field is a list."""

    id: str
    title: str
    schedule: str
    timezone: str
    source: str
    include: str
    exclude: str
    keep: str
    unlisted: str
    twins: list[str]
    parts: list[delivery_form.PartShown]
    masks: list[MaskRow]
    by_condition: list[str]
    """The patterns whose mask depends on the row; the form has no field for it."""
    rows: list[FilterRow]
    limits: list[LimitField]

    def add_empty(self, what: str) -> None:
        """One more row to fill in: a mask, a row filter, a twin, or a part of the deliveries."""
        match what:
            case "mask":
                self.masks.append(MaskRow())
            case "row":
                self.rows.append(FilterRow())
            case "twin":
                self.twins.append("")
            case named:
                for shown in self.parts:
                    if shown.part.name == named:
                        shown.add_empty()


def view(data: dict[str, Any], *, apart: bool = False) -> WorkflowForm:
    """What the form's template shows of a document, valid or not yet.

    ``apart``: what is said of single columns stands on the columns screen, and only patterns here.
    """
    data = _patterns_only(data) if apart else data
    tables, limits = mapping_of(data.get("tables")), mapping_of(data.get("limits"))
    masks = mapping_of(data.get("masks"))
    deliveries = data.get("deliver") if isinstance(data.get("deliver"), list) else []
    twins = [
        mapping_of(delivery.get("twin"))
        for delivery in deliveries or []
        if isinstance(delivery, dict) and "twin" in delivery
    ]
    return WorkflowForm(
        id=as_text(data.get("id")),
        title=as_text(data.get("title")),
        schedule=as_text(data.get("schedule")),
        timezone=as_text(data.get("timezone")),
        source=as_text(data.get("source")),
        include=lines_of(tables.get("include")),
        exclude=lines_of(tables.get("exclude")),
        keep=lines_of([each for each in data.get("keep") or () if isinstance(each, str)]),
        unlisted=_unlisted(data),
        twins=[as_text(twin.get("connection")) for twin in twins] or [""],
        parts=delivery_form.parts_shown(data),
        masks=[_mask_row(pattern, value) for pattern, value in masks.items() if not isinstance(value, list)],
        by_condition=[key for key, value in mapping_of(data.get("masks")).items() if isinstance(value, list)],
        rows=[_filter_row(pattern, value) for pattern, value in mapping_of(data.get("rows")).items()],
        limits=[
            LimitField(key, label, unit, as_text(limits.get(key)), as_text(Limits.model_fields[key].default))
            for key, label, unit in LIMITS
        ],
    )


def _patterns_only(data: dict[str, Any]) -> dict[str, Any]:
    masks = {key: value for key, value in mapping_of(data.get("masks")).items() if not is_literal(key)}
    keep = data.get("keep")
    patterns = [each for each in keep if not _is_single(each)] if isinstance(keep, list) else keep
    return data | {"masks": masks, "keep": patterns}


def _is_single(entry: Any) -> bool:
    """Whether an entry of ``keep`` is of one column, or says why."""
    return isinstance(entry, dict) or (isinstance(entry, str) and is_literal(entry))


def _unlisted(data: dict[str, Any]) -> str:
    if "unlisted" in data and data["unlisted"] is None:
        return "null"
    return as_text(data.get("unlisted")) or "halt"


def _mask_row(pattern: str, value: Any) -> MaskRow:
    params = {key: each for key, each in mapping_of(value).items() if key != "mask"}
    name = (
        as_text(value.get("mask")) if isinstance(value, dict) else "null" if value is None else as_text(value)
    )
    return MaskRow(pattern, name, params)


def _filter_row(pattern: str, value: Any) -> FilterRow:
    known = mapping_of(value)
    return FilterRow(
        pattern,
        last_days=as_text(known.get("last_days")),
        by=as_text(known.get("by")),
        where=as_text(known.get("where")),
    )


def document(form: FormData, before: dict[str, Any]) -> dict[str, Any]:
    """The document that the fields say, on the ground of what it was before."""
    data = deepcopy(before)
    for key in ("id", "title", "schedule", "timezone", "source"):
        put(data, key, text_in(form, key))
    tables = dict(mapping_of(data.get("tables")))
    put(tables, "include", _split(form, "include"))
    put(tables, "exclude", _split(form, "exclude"))
    put(data, "tables", tables)
    put(data, "rows", _filters(form))
    apart = text_in(form, "columns_apart") == "yes"
    masks = mapping_of(before.get("masks"))
    put(data, "masks", _with_others(masks, _masks(form, masks), apart=apart))
    put(data, "keep", _kept(before.get("keep"), _split(form, "keep"), apart=apart))
    unlisted = text_in(form, "unlisted")
    if unlisted in UNLISTED and not (unlisted == "halt" and "unlisted" not in before):
        data["unlisted"] = unlisted
    made = _deliveries(form, before.get("deliver"))
    if made or not before.get("deliver") or isinstance(before["deliver"], list):
        # What is no list at all is corrected in the YAML, and not taken away here.
        put(data, "deliver", made)
    delivery_form.read_parts(form, data)
    limits = dict(mapping_of(data.get("limits")))
    for key, _, _ in LIMITS:
        text = text_in(form, f"limit_{key}")
        put(limits, key, scalar(text) if text else "")
    put(data, "limits", limits)
    return data


def _with_others(before: dict[str, Any], made: dict[str, Any], *, apart: bool) -> dict[str, Any]:
    """What the form says of patterns, with what it has no field for, in their order.

    That is several masks by conditions, and where the columns screen has them those of single columns.
    """
    kept = {
        key: value
        for key, value in before.items()
        if isinstance(value, list) or (apart and is_literal(key)) or key in made
    }
    return {key: made.get(key, value) for key, value in kept.items()} | made


def _kept(before: Any, lines: list[str], *, apart: bool) -> list[Any]:
    """What is kept, in its order. What the form has no line for stays."""
    was = before if isinstance(before, list) else []
    stays = [each for each in was if isinstance(each, dict) or each in lines or (apart and _is_single(each))]
    return [*stays, *(line for line in lines if line not in stays)]


def _texts(form: FormData, name: str) -> list[str]:
    return [typed(value).strip() for value in form.getlist(name) if isinstance(value, str)]


def _split(form: FormData, name: str) -> list[str]:
    return [line.strip() for line in text_in(form, name).splitlines() if line.strip()]


def _filters(form: FormData) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    columns = [_texts(form, f"row_{name}") for name in ("pattern", "last_days", "by", "where")]
    for pattern, last_days, by, where in zip(*columns, strict=False):
        if pattern or last_days or by or where:
            row: dict[str, Any] = {}
            put(row, "last_days", scalar(last_days) if last_days else "")
            put(row, "by", by)
            put(row, "where", where)
            filters[pattern] = row
    return filters


def _masks(form: FormData, before: dict[str, Any]) -> dict[str, Any]:
    masks: dict[str, Any] = {}
    known = {card.name: card for card in cards()}
    rows = zip(
        _texts(form, "mask_row"), _texts(form, "mask_pattern"), _texts(form, "mask_name"), strict=False
    )
    for row, pattern, name in rows:
        if not pattern and not name:
            continue
        was = _mask_row(pattern, before.get(pattern))
        params = dict(was.params) if was.mask == name else {}
        for parameter in known[name].parameters if name in known else ():
            field = f"param.{row}.{parameter.name}"
            text = text_in(form, field)
            if field not in form or text == parameter_text(params, parameter).strip():
                continue
            if text:
                params[parameter.name] = parameter_value(parameter, text)
            else:
                params.pop(parameter.name, None)
        masks[pattern] = {"mask": name, **params} if params else name
    return masks


def parameter_text(params: dict[str, Any], parameter: Parameter) -> str:
    """A parameter as it stands in its field, from which it is read back as the same."""
    if parameter.name not in params:
        return ""
    value = params[parameter.name]
    if isinstance(value, str) and (
        parameter.kind != "other" or (value.isprintable() and value and _any_value(value) == value)
    ):
        return value
    return json.dumps(value, ensure_ascii=False)


def parameter_value(parameter: Parameter, text: str) -> Any:
    """What is meant by what stands in its field."""
    if parameter.kind == "text":
        return text
    return _any_value(text) if parameter.kind == "other" else scalar(text)


def _any_value(text: str) -> Any:
    """A value of any kind, written as in YAML; what says nothing there is a text all the same."""
    try:
        value = strict_yaml.load(f"value: {text}", "parameter").data["value"]
    except WrongDocumentError:
        return text
    if value is None:
        return None if text == "null" else text
    # A text that is not quoted is meant as it stands: with a "!" or a " #" in it as well.
    return text if isinstance(value, str) and text[0] not in "\"'" else value


def _deliveries(form: FormData, before: Any) -> list[Any]:
    kept = before if isinstance(before, list) else []
    twins = {
        as_text(mapping_of(mapping_of(delivery).get("twin")).get("connection")): delivery
        for delivery in kept
        if "twin" in mapping_of(delivery)
    }
    others = [delivery for delivery in kept if "twin" not in mapping_of(delivery)]
    named = [name for name in _texts(form, "twin") if name]
    return [twins.get(name, {"twin": {"connection": name}}) for name in named] + others
