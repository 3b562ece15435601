"""What an importer makes of one rule of another tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import JsonValue
from typing_extensions import TypeIs

from appliance.errors import WrongRequestError
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.registry import MASKS
from appliance.workflow.document import MaskSpec


class Place(NamedTuple):
    """A column."""

    schema: str
    table: str
    column: str


@dataclass(frozen=True)
class Rule:
    """One column's. Either a mask, or ``keep``, or neither: then ``why`` says why there is no equal here."""

    place: Place
    written: str
    """The rule's name there, without its parameters, which may hold a secret."""
    mask: MaskSpec | None = None
    keep: bool = False
    why: str = ""
    note: str = ""
    """What is different here."""


@dataclass(frozen=True)
class Imported:
    """All that was read of one tool's rules."""

    tool: str
    rules: tuple[Rule, ...]
    exclude: tuple[tuple[str, str], ...] = ()
    """(schema, table) of what the tool leaves out; either may hold ``*``."""
    notes: tuple[str, ...] = ()
    """What of the whole is not carried over."""


@dataclass(frozen=True)
class Equal:
    """What stands for a rule here: a mask with parameters, nothing but a reason, or that the value stays."""

    mask: str = ""
    params: Mapping[str, JsonValue] | None = None
    note: str = ""
    why: str = ""
    keep: bool = False


def rule(place: Place, written: str, equal: Equal) -> Rule:
    """The rule of one column. A mask that does not take its parameters has no equal, and says why."""
    if equal.keep:
        return Rule(place, written, keep=True, note=equal.note)
    if equal.mask not in MASKS:
        return Rule(place, written, why=equal.why or "There is no mask like it.")
    spec = MaskSpec.model_validate({"mask": equal.mask, **(equal.params or {})})
    try:
        _, params = mask_and_params(spec, MASKS)
    except WrongMaskError as error:
        return Rule(place, written, why=f"{error}.")
    for path, inner in params.nested() if hasattr(params, "nested") else ():
        if isinstance(inner, str):
            return Rule(place, written, why=f"`{path[-1]}` {inner}.")
    return Rule(place, written, mask=spec, note=equal.note)


def one_a_column(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The same rules, of which each column has one: a workflow says once what becomes of it.

    Of masks the last has the last word, as where one runs after the other; those for parts of a document are
    put together. What gives way is listed.
    """
    found: dict[Place, Rule] = {}
    listed: list[Rule] = []
    for each in rules:
        former = found.get(each.place)
        if former is None or each.place.column == "*":
            if each.mask is None and not each.keep:
                listed.append(each)
            else:
                found[each.place] = each
        elif each.mask is None:
            listed.append(each if not each.keep else _given_way(each))
        elif former.mask is not None and (paths := _together(former.mask, each.mask)) is not None:
            written = (
                former.written if former.written == each.written else f"{former.written}, {each.written}"
            )
            note = " ".join(dict.fromkeys(note for note in (former.note, each.note) if note))
            found[each.place] = Rule(each.place, written, mask=paths, note=note)
        else:
            listed.append(_given_way(former))
            found[each.place] = each
    return (*found.values(), *listed)


def _given_way(former: Rule) -> Rule:
    return Rule(former.place, former.written, why="Another rule of the same column is carried over.")


def _together(one: MaskSpec, other: MaskSpec) -> MaskSpec | None:
    """Both masks as one, if they are of paths of one document."""
    if one.mask != "json" or other.mask != "json":
        return None
    parts = [each.params.get("paths") for each in (one, other)]
    if any(not isinstance(part, dict) for part in parts):
        return None
    merged = {path: mask for part in parts if isinstance(part, dict) for path, mask in part.items()}
    return MaskSpec.model_validate({"mask": "json", **one.params, "paths": merged})


def mapping_of(value: object, what: str) -> Mapping[str, object]:
    """A mapping of a file, whose keys are text. Raises WrongRequestError for anything else."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise unreadable(f"{what} is not a mapping of names")


def list_of(value: object, what: str) -> list[object]:
    """A list of a file; an absent one is empty. Raises WrongRequestError for anything else."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise unreadable(f"{what} is not a list")


def text_of(mapping: Mapping[str, object], key: str, what: str) -> str:
    """A text of a file that has to be there. Raises WrongRequestError."""
    value = mapping.get(key)
    if isinstance(value, str) and value:
        return value
    raise unreadable(f"{what} has no {key}")


def number_of(value: object) -> float | None:
    """A number, also where it is written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        found = float(str(value))
    except ValueError:
        return None
    return int(found) if found.is_integer() and "." not in str(value) else found


def is_plain(value: object) -> TypeIs[str | int | float | bool]:
    """Whether it is a value as it stands, and no template."""
    return isinstance(value, str | int | float | bool) and "{{" not in str(value)


def unreadable(what: str) -> WrongRequestError:
    """The file is not what the tool writes."""
    return WrongRequestError(
        "These rules cannot be read.",
        f"{what[0].upper()}{what[1:]}.",
        "Name the tool and the file that belong together.",
    )
