"""What is wrong with a document, said at the fields of the form that it is about."""

from __future__ import annotations

from typing import Any

from appliance.dashboard.pages.editing.delivery_form import PARTS
from appliance.dashboard.pages.editing.form_fields import mapping_of
from appliance.dashboard.pages.editing.workflow_form import WorkflowForm, view
from appliance.dashboard.store.documents import Checked
from appliance.documents.problems import KeyPath

_SIMPLE = {"id", "title", "schedule", "timezone", "source", "keep"}


def field_errors(checked: Checked, *, apart: bool = False) -> dict[str, str]:
    """By a field's id. What has no field stands beside the YAML only.

    ``apart``: as in ``workflow_form.view``, whose rows are counted here.
    """
    if not checked.data:
        return {}
    shown = view(checked.data, apart=apart)
    found: dict[str, list[str]] = {}
    for problem in checked.problems:
        field = _field(problem.path, checked.data, shown)
        if field:
            said = f"{problem.what}; expected {problem.expected}" if problem.expected else problem.what
            found.setdefault(field, []).append(said[:1].upper() + said[1:])
    return {field: ". ".join(dict.fromkeys(said)) + "." for field, said in found.items()}


def _field(path: KeyPath, data: dict[str, Any], shown: WorkflowForm) -> str | None:  # noqa: PLR0911
    match path:
        case [str() as key, *_] if key in _SIMPLE:
            return f"f-{key}"
        case ["unlisted", *_]:
            return "u-halt"
        case ["tables"]:
            return "f-include"
        case ["tables", ("include" | "exclude") as key, *_]:
            return f"f-{key}"
        case ["limits", str() as key, *_]:
            return f"l-{key}"
        case ["masks", pattern, *inner]:
            return _mask_field(str(pattern), inner, shown)
        case ["rows", pattern, *inner]:
            numbers = [at for at, row in enumerate(shown.rows) if row.pattern == pattern]
            key = {"last_days": "days", "by": "by", "where": "where"}.get(
                str(inner[0]) if inner else "", "pattern"
            )
            return f"r-{key}-{numbers[0]}" if numbers else None
        case [("deliver" | "after_load") as key, int() as at, *inner]:
            return _delivery_field(key, at, inner, data)
        case ["deliver", *_]:
            return "f-twin-0"
    return None


def _mask_field(pattern: str, inner: list[str | int], shown: WorkflowForm) -> str | None:
    numbers = [at for at, row in enumerate(shown.masks) if row.pattern == pattern]
    if not numbers:
        return None
    if inner and inner[0] != "mask":
        return f"m-{numbers[0]}-{inner[0]}"
    return f"m-name-{numbers[0]}"


def _delivery_field(list_key: str, at: int, inner: list[str | int], data: dict[str, Any]) -> str | None:
    entries = data.get(list_key)
    if not isinstance(entries, list) or at >= len(entries):
        return None
    kind = list_key if list_key == "after_load" else next(iter(mapping_of(entries[at])), "")
    same = [each for each in entries[:at] if list_key == "after_load" or kind in mapping_of(each)]
    if kind == "twin":
        return f"f-twin-{len(same)}"
    part = next((each for each in PARTS if each.name == kind), None)
    if part is None:
        return None
    keys = [str(key) for key in inner if key != kind and not isinstance(key, int)]
    named = next(
        (each.key for each in part.fields if each.key == ".".join(keys[: each.key.count(".") + 1])), None
    )
    return f"d-{kind}-{len(same)}-{(named or part.fields[0].key).replace('.', '-')}"
