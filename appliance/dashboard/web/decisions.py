"""What a click on the columns screen changes in a document's plain data; the YAML follows from it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.masking.suggesting.suggestions import Suggestion
from appliance.workflow.document import WHEN
from appliance.workflow.matching.patterns import PatternError, parse_pattern

KEEP, OPEN = "keep", "open"
MASK = "mask:"
BY_CONDITION = f"{MASK}{WHEN}"


class Change(BaseModel):
    """One decision of the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: Literal["decide", "option", "because", "accept", "include", "merge", "drop"]
    what: str = Field(max_length=1000)
    """The column's pattern; of ``accept`` also a table or a kind; of ``include`` a pattern of tables; of
    ``merge`` a plan's command; of ``drop`` a pattern that matches nothing."""
    scope: Literal["column", "table", "kind", "all"] = "column"
    to: str = Field(default="", max_length=200)
    """Of ``decide``: ``keep``, ``open`` or ``mask:NAME``; of ``option`` the parameter's name."""
    value: str = Field(default="", max_length=2000)


def read_change(text: str) -> Change | None:
    """What the page says was done; None where it says nothing that can be."""
    try:
        return Change.model_validate_json(text) if text else None
    except ValidationError:
        return None


def is_literal(pattern: str, parts: int = 3) -> bool:
    """Whether a pattern names exactly one column (or table)."""
    try:
        return parse_pattern(pattern, parts).literal
    except PatternError:
        return False


def decide(data: Mapping[str, Any], column: str, to: str) -> dict[str, Any]:
    """The document in which this column, by its own name, is masked, kept, or left to what patterns say."""
    made = deepcopy(dict(data))
    if to == BY_CONDITION:
        # It is shown of a list of masks, which is written in the YAML.
        return made
    names = parse_pattern(column, 3).names
    before = _mapping(made.get("masks"))
    masks = {key: value for key, value in before.items() if not _is(key, names)}
    keep = [each for each in _list(made.get("keep")) if not _is(_pattern(each), names)]
    if to == KEEP:
        keep.append(column)
    elif to.startswith(MASK):
        mask = to.removeprefix(MASK)
        # At its own place where it was masked before, so that its line stays where it is.
        masks = {
            (column if _is(key, names) else key): (mask if _is(key, names) else value)
            for key, value in before.items()
        }
        masks.setdefault(column, mask)
    _put(made, "masks", masks)
    _put(made, "keep", keep)
    return made


def set_option(data: Mapping[str, Any], column: str, name: str, value: Any) -> dict[str, Any]:
    """The document in which the mask of this column has a parameter; without it where the value is None."""
    made = deepcopy(dict(data))
    masks = _mapping(made.get("masks"))
    if column not in masks or isinstance(masks[column], list):
        return made
    was = masks[column]
    spec = dict(was) if isinstance(was, dict) else {"mask": "null" if was is None else was}
    if value is None:
        spec.pop(name, None)
    else:
        spec[name] = value
    masks[column] = spec if set(spec) - {"mask"} else spec.get("mask")
    made["masks"] = masks
    return made


def set_because(data: Mapping[str, Any], column: str, why: str) -> dict[str, Any]:
    """The document that says why it keeps this column; in the short form where it does not."""
    made = deepcopy(dict(data))
    names = parse_pattern(column, 3).names
    entry: Any = {"column": column, "because": why} if why else column
    made["keep"] = [entry if _is(_pattern(each), names) else each for each in _list(made.get("keep"))]
    return made


def accept(data: Mapping[str, Any], suggested: Iterable[tuple[str, Suggestion]]) -> dict[str, Any]:
    """The document with these suggestions in it, each by its column's own name."""
    made = deepcopy(dict(data))
    masks, keep = _mapping(made.get("masks")), _list(made.get("keep"))
    for column, said in suggested:
        if not said.decided:
            continue
        if said.mask is None:
            keep.append(column)
        else:
            params = said.mask.params
            masks[column] = {"mask": said.mask.mask, **params} if params else said.mask.mask
    _put(made, "masks", masks)
    _put(made, "keep", keep)
    return made


def include(data: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    """The document that selects these tables too."""
    made = deepcopy(dict(data))
    tables = _mapping(made.get("tables"))
    tables["include"] = [*_list(tables.get("include")), pattern]
    made["tables"] = tables
    return made


def drop(data: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    """The document without this pattern, under ``masks`` and ``keep``."""
    made = deepcopy(dict(data))
    masks = {key: value for key, value in _mapping(made.get("masks")).items() if key != pattern}
    _put(made, "masks", masks)
    _put(made, "keep", [each for each in _list(made.get("keep")) if _pattern(each) != pattern])
    return made


def _pattern(entry: Any) -> str:
    return str(entry.get("column", "")) if isinstance(entry, dict) else str(entry)


def _is(pattern: str, names: tuple[str, ...]) -> bool:
    return is_literal(pattern) and parse_pattern(pattern, 3).names == names


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    if value:
        data[key] = value
    else:
        data.pop(key, None)


def option_value(text: str) -> Any:
    """A constant that a suggestion names, from its JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
