"""The masks as a person chooses among them: what each does, an example, what it promises, its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from appliance.masking.examples.shown import examples_of
from appliance.masking.mask import Promises
from appliance.masking.registry import MASKS

Kind = Literal["number", "choice", "flag", "text", "other"]
_USUALLY_NOT_SET = ("domain", "subject")
"""Parameters that most workflows leave alone; they stand last."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a mask, as a field of a form."""

    name: str
    kind: Kind
    about: str
    required: bool = False
    usual: str = ""
    """What holds where it is not set, as text; empty for nothing."""
    example: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    name: str
    about: str
    before: str
    after: str
    promises: tuple[tuple[str, str], ...]
    parameters: tuple[Parameter, ...]


@cache
def cards() -> tuple[Card, ...]:
    """Every mask there is, in the catalogue's order."""
    made = []
    for mask in MASKS.values():
        before, after = mask.examples(mask.plain_params())[0]
        after = after or "an empty text"
        schema = mask.params.model_json_schema()
        parameters = [
            _parameter(name, field, name in schema.get("required", []))
            for name, field in schema.get("properties", {}).items()
        ]
        parameters.sort(key=lambda parameter: parameter.name in _USUALLY_NOT_SET)
        made.append(Card(mask.name, mask.summary, before, after, _promises(mask.promises), tuple(parameters)))
    return tuple(made)


def _promises(promises: Promises) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Unique", promises.unique),
        ("Same input, same output", promises.deterministic),
        ("NULL stays NULL", promises.keeps_null),
        ("Length", promises.length),
        ("Format", promises.format),
    )
    return tuple((label, text) for label, text in facts if text != "no")


def _parameter(name: str, field: Mapping[str, Any], required: bool) -> Parameter:
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    only = options[0] if len(options) == 1 else {}
    kind: Kind = "other"
    choices: tuple[str, ...] = ()
    if "enum" in only:
        kind, choices = "choice", tuple(str(choice) for choice in only["enum"])
    elif only.get("type") == "boolean":
        kind, choices = "flag", ("true", "false")
    elif only.get("type") in {"integer", "number"}:
        kind = "number"
    elif only.get("type") == "string":
        kind = "text"
    return Parameter(
        name=name,
        kind=kind,
        about=field.get("description", ""),
        required=required,
        usual=_shown(field.get("default")),
        example=_shown(next(iter(field.get("examples", [])), None)),
        choices=choices,
    )


def _shown(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class ExplainedMask:
    """A workflow's mask with what it does."""

    pattern: str
    mask: str
    params: Mapping[str, Any]
    card: Card | None
    """None for an unknown mask."""
    examples: tuple[tuple[str, str], ...]
    """What the mask makes with these parameters."""


def explain(masks: Mapping[str, Any]) -> list[ExplainedMask]:
    """A workflow's masks with what each does."""
    known = {card.name: card for card in cards()}
    rows = []
    for pattern, value in masks.items():
        if isinstance(value, list):
            said = {f"{place}": _entry(each) for place, each in enumerate(value, 1)}
            rows.append(ExplainedMask(pattern, "by condition", said, None, ()))
            continue
        name = value.get("mask") if isinstance(value, dict) else value
        params = (
            {key: each for key, each in value.items() if key != "mask"} if isinstance(value, dict) else {}
        )
        name = "null" if name is None else str(name)
        rows.append(ExplainedMask(pattern, name, params, known.get(name), examples_of(name, params)))
    return rows


def _entry(entry: Any) -> str:
    """One of several masks with conditions, in words."""
    if not isinstance(entry, dict):
        return "null" if entry is None else str(entry)
    params = {key: each for key, each in entry.items() if key not in {"when", "mask", "because"}}
    options = f" ({', '.join(f'{key}: {each}' for key, each in params.items())})" if params else ""
    where = f" where {entry['when']}" if "when" in entry else ""
    return f"{entry.get('mask')}{options}{where}"
