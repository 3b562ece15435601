"""Something that is not as it should be: of an appliance itself, or of one of a dashboard's fleet."""

from __future__ import annotations

from dataclasses import dataclass

HALTS = ("unlisted", "keep_from_cloud", "kept_looks_personal")
"""The rules by which a run halts on a column that a person has to decide."""


@dataclass(frozen=True)
class Condition:
    """It is one for as long as it is so."""

    key: str
    """Which one it is: one of a key is sent once."""
    kind: str
    mark: str
    """Changes where it has become another one: it is sent again then."""
    title: str
    text: str
    next_step: str
    over: str
    """What is said when it is over."""
    workflow: str | None = None
    appliance: str | None = None
    """Which one it is about, where the dashboard of several notifies."""


@dataclass(frozen=True)
class Conditions:
    """All that there are. What is not ``known`` (its database is away) is neither there nor over."""

    present: tuple[Condition, ...]
    known: frozenset[str]
