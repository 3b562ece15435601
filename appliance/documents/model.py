"""Documents as frozen pydantic models: unknown keys are errors, and every error reads like one of ours."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from appliance.documents.document import Document, scalar
from appliance.documents.problems import KeyPath, Problem, WrongDocumentError, did_you_mean

SHOWN_VALUE = 60
"""Characters of a wrong value that a message repeats."""

WORDED_ERRORS = 200
"""More than are printed. Looking for what a key could mean takes time, and a hostile document has many."""

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
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


class StrictModel(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )


Model = TypeVar("Model", bound=BaseModel)


def wrong(what: str, expected: str = "", at: KeyPath = ()) -> PydanticCustomError:
    """What a validator raises: shown as it is, with file, line and key path in front.

    A validator that sees several keys says ``at`` which of them, below its own place, it means.
    """
    return PydanticCustomError("problem", "{what}", {"what": what, "expected": expected, "at": at})


def validate(model: type[Model], document: Document, *, data: Any = None) -> Model:
    """The document as a model. ``data`` replaces the document's own where a caller prepared it.

    Raises WrongDocumentError with every problem at once.
    """
    problems = list(document.problems)
    instance = None
    try:
        instance = model.model_validate(document.data if data is None else data)
    except ValidationError as error:
        problems += problems_of(error, model, document)
    if problems or instance is None:
        raise WrongDocumentError(problems)
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
    data = _data_at(document, prefix)
    all_details = error.errors(include_url=False)
    at_places = [_path_in(data, details) for details in all_details]
    of_a_form = _places_with_a_form(all_details, at_places)
    for place, details in enumerate(all_details):
        if details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]:
            # pydantic counts the valid items only, and what is wrong with the others was said already.
            continue
        if _is_of_another_form(details) and at_places[place] in of_a_form:
            continue
        path = (*at_places[place], *details.get("ctx", {}).get("at", ()))
        if place < WORDED_ERRORS:
            what, expected = _words(details, model, path, show_values)
        else:
            what, expected = "is wrong too", ""
        found.append(document.problem(prefix + path, what, expected))
    return found


def _places_with_a_form(found: Sequence[ErrorDetails], at_places: Sequence[KeyPath]) -> set[KeyPath]:
    """Places with something wrong within the form that their value has, where there may be several."""
    # What stands deeper, or is of the right type and wrong all the same, has been read in its form.
    places: set[KeyPath] = set()
    for details, path in zip(found, at_places, strict=True):
        deepest = len(path) if _is_of_another_form(details) else len(path) + 1
        places.update(path[:length] for length in range(deepest))
    return places


def _is_of_another_form(details: ErrorDetails) -> bool:
    return details["type"].endswith("_type")


def _data_at(document: Document, prefix: KeyPath) -> Any:
    data = document.data
    for part in prefix:
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def _path_in(data: Any, details: ErrorDetails) -> KeyPath:
    """Where the error is in the data; pydantic's own location also names the branch of a union it tried."""
    path: list[str | int] = []
    location = details["loc"]
    for place, part in enumerate(location):
        is_last = place == len(location) - 1
        is_there = isinstance(data, dict) and part in data
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_there or is_item:
            data = data[part]
        elif not (is_last and details["type"] == "missing"):
            continue
        path.append(part)
    return tuple(path)


def _words(  # noqa: PLR0911
    details: ErrorDetails, model: type[BaseModel], path: KeyPath, show_values: bool
) -> tuple[str, str]:
    """What is wrong and what was expected, for one of pydantic's error types."""
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "problem":
        return str(context["what"]), str(context["expected"])
    if kind == "extra_forbidden":
        return _unknown_key(model, path)
    example = _example(model, path)
    if kind == "missing":
        return "is missing", f"for example {example}" if example else "a value"
    shown = describe(details["input"], show_values)
    if kind == "literal_error":
        return _choice(details, shown, show_values)
    if kind in _BOUNDS:
        bound, side = _BOUNDS[kind]
        return f"{shown} is out of range", f"{side} {context[bound]}"
    if kind == "too_short" and context["actual_length"]:
        return f"has {context['actual_length']}", f"at least {context['min_length']}"
    if kind in ("string_too_short", "too_short"):
        return "is empty", f"for example {example}" if example else "something"
    if kind in ("string_too_long", "too_long"):
        return "is too long", f"at most {context.get('max_length')}"
    if kind == "string_pattern_mismatch":
        return f"{shown} is not allowed", f"text of the form {context.get('pattern')}"
    expected = _TYPE_NAMES.get(kind.split("_")[0], "another value")
    return f"{shown} is not {expected}", expected + (f", for example {example}" if example else "")


def _choice(details: ErrorDetails, shown: str, show_values: bool) -> tuple[str, str]:
    choices = str(details.get("ctx", {})["expected"]).replace("'", "")
    close = did_you_mean(str(details["input"]), re.split(", | or ", choices)) if show_values else None
    return f"{shown} is not allowed" + (f" (did you mean {close}?)" if close else ""), choices


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
    if isinstance(value, str) and not isinstance(scalar(value), str):
        text = f'"{text}"'
    return f"`{text[:SHOWN_VALUE]}…`" if len(text) > SHOWN_VALUE else f"`{text}`"


def _unknown_key(model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    owner = model_at(model, path[:-1])
    known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
    close = did_you_mean(str(path[-1]), known)
    hint = f" (did you mean {close}?)" if close else ""
    return f"is not a known key{hint}", f"one of: {', '.join(known)}"


def _example(model: type[BaseModel], path: KeyPath) -> str:
    """The example of the key at this path, as people would write it; empty where there is none."""
    owner = model_at(model, path[:-1]) if path else None
    field = owner.model_fields.get(str(path[-1])) if owner else None
    if field is None or not field.examples:
        return ""
    example = field.examples[0]
    return example if isinstance(example, str) else json.dumps(example)


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
    """Annotated[X, …] and X | None as X; of several forms, the one with keys."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrap(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        forms = [_unwrap(each) for each in typing.get_args(annotation) if each is not type(None)]
        return next((each for each in forms if _is_model(each)), forms[0])
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
