"""Documents as frozen pydantic models: unknown keys are errors, and every error reads like one of ours."""

from __future__ import annotations

import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from appliance.problems import DocumentWrong, KeyPath, Problem, did_you_mean
from appliance.strict_yaml import Document

SHOWN_VALUE = 60
"""Characters of a wrong value that a message repeats."""

_TYPE_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "date": "a date",
    "path": "a path",
}


class StrictModel(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


Model = TypeVar("Model", bound=BaseModel)


def wrong(what: str, expected: str = "") -> PydanticCustomError:
    """What a validator raises: shown as it is, with file, line and key path in front."""
    return PydanticCustomError("problem", "{what}", {"what": what, "expected": expected})


def validate(model: type[Model], document: Document, *, data: Any = None) -> Model:
    """The document as a model. ``data`` replaces the document's own where a caller prepared it.

    Raises DocumentWrong with every problem at once.
    """
    problems = list(document.problems)
    instance = None
    try:
        instance = model.model_validate(document.data if data is None else data)
    except ValidationError as error:
        problems += problems_of(error, model, document)
    if problems or instance is None:
        raise DocumentWrong(problems)
    return instance


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    document: Document,
    *,
    prefix: KeyPath = (),
    show_values: bool = True,
) -> list[Problem]:
    """pydantic's complaints as problems with a place in the document.

    The model's data stands at ``prefix`` in the document. With ``show_values`` off no message repeats a
    value, for documents that hold secrets.
    """
    found = []
    for details in error.errors(include_url=False, include_context=True):
        path: KeyPath = tuple(part for part in details["loc"] if part != "[key]")
        what, expected = _words(details, model, path, show_values)
        found.append(document.problem(prefix + path, what, expected))
    return found


def _words(
    details: ErrorDetails, model: type[BaseModel], path: KeyPath, show_values: bool
) -> tuple[str, str]:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "problem":
        return str(context["what"]), str(context["expected"])
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    if kind == "missing":
        return "is missing", _example(model, path)
    shown = describe(details["input"], show_values)
    if kind == "literal_error":
        choices = str(context["expected"])
        close = (
            did_you_mean(str(details["input"]), choices.replace("'", "").split(" or "))
            if show_values
            else None
        )
        return f"{shown} is not allowed", choices + (f": did you mean {close}?" if close else "")
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bound = context.get("ge", context.get("gt", context.get("le", context.get("lt"))))
        side = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
        return f"{shown} is out of range", f"{side.get(kind, 'at most')} {bound}"
    if kind in ("string_too_short", "too_short"):
        return "is empty" if not details["input"] else "is too short", _example(model, path)
    if kind in ("string_too_long", "too_long"):
        return "is too long", f"at most {context.get('max_length')}"
    expected_type = _TYPE_NAMES.get(kind.split("_")[0])
    if expected_type:
        return f"{shown} is not {expected_type}", expected_type + _for_instance(model, path)
    return f"{shown} is wrong", details["msg"][0].lower() + details["msg"][1:]


def describe(value: Any, show: bool = True) -> str:
    """A value for a message: short scalars as they stand, anything else by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if not show:
        return "this value"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text[:SHOWN_VALUE]}…`" if len(text) > SHOWN_VALUE else f"`{text}`"


def _unknown_key(model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    owner = model_at(model, path[:-1])
    known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    close = did_you_mean(str(path[-1]), known)
    if close:
        return "is not a known key", f"`{close}`, perhaps, of: {', '.join(known)}"
    return "is not a known key", f"one of: {', '.join(known)}"


def _field(model: type[BaseModel], path: KeyPath) -> Any:
    owner = model_at(model, path[:-1]) if path else None
    return owner.model_fields.get(str(path[-1])) if owner else None


def _example(model: type[BaseModel], path: KeyPath) -> str:
    field = _field(model, path)
    if field is None or not field.examples:
        return "a value"
    return f"for example {field.examples[0]!r}"


def _for_instance(model: type[BaseModel], path: KeyPath) -> str:
    field = _field(model, path)
    return f", for example {field.examples[0]!r}" if field is not None and field.examples else ""


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model whose keys stand at a key path of a document; None where there is none."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = _unwrap(field.annotation) if field else None
        else:
            arguments = [each for each in typing.get_args(here) if each is not Ellipsis]
            here = _unwrap(arguments[-1]) if arguments else None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _unwrap(annotation: Any) -> Any:
    """Annotated[X, …] and X | None as X."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrap(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return _unwrap(next(each for each in typing.get_args(annotation) if each is not type(None)))
    return annotation
