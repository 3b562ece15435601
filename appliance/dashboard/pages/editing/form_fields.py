"""Values of a document as they stand in a form's fields, and what stands in them."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData


def as_text(value: Any) -> str:
    """A scalar as it stands in a field; empty for what no field can show."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def lines_of(value: Any) -> str:
    """A list as it stands in a field, one entry a line."""
    return "\n".join(as_text(entry) for entry in value) if isinstance(value, list) else ""


def mapping_of(value: Any) -> dict[str, Any]:
    """The value where it is a mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def text_in(form: FormData, name: str) -> str:
    """What stands in a field."""
    return typed(form.get(name, "")).strip()


def typed(value: object) -> str:
    """What was typed into a field: a browser sends each end of a line as two characters."""
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else ""


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set it, or take an empty one away."""
    if value in ("", [], {}):
        data.pop(key, None)
    else:
        data[key] = value
