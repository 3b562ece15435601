"""The masks as a person chooses among them: what each does, an example, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal


@dataclass(frozen=True)
class Parameter:
    """One parameter of a mask, as a field of a form."""

    name: str
    kind: Literal["number", "choice", "flag", "text", "other"]
    about: str
    usual: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """One mask."""

    name: str
    about: str
    before: str = ""
    after: str = ""
    parameters: tuple[Parameter, ...] = ()


@cache
def cards() -> tuple[Card, ...]:
    """Every mask there is, by name."""
    return tuple(Card(name, "") for name in ("email", "hash", "null", "phone"))


def explain(masks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A workflow's masks with what each does: pattern, mask, params, and card (None if unknown)."""
    known = {card.name: card for card in cards()}
    rows = []
    for pattern, value in masks.items():
        name = value.get("mask") if isinstance(value, dict) else value
        params = (
            {key: each for key, each in value.items() if key != "mask"} if isinstance(value, dict) else {}
        )
        name = "null" if name is None else str(name)
        rows.append({"pattern": pattern, "mask": name, "params": params, "card": known.get(name)})
    return rows
