"""Presets and their versions as the queries give them. Moments are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.dashboard.store.rows import DocumentJson


@dataclass(frozen=True, kw_only=True)
class PresetListed:
    """A preset in the list, before it is known who uses it."""

    name: str
    title: str
    revision: int
    changed_at: float
    document: DocumentJson
    author: str


@dataclass(frozen=True, kw_only=True)
class PresetRow(PresetListed):
    """A preset in the list; ``used_by`` has ids of workflows."""

    used_by: list[str]


@dataclass(frozen=True, kw_only=True)
class PresetNewest(PresetListed):
    """A preset with its newest version."""

    created_at: float
    archived_at: float | None
    yaml: str


@dataclass(frozen=True, kw_only=True)
class PresetShown(PresetNewest):
    """The same, with the workflows that use it."""

    used_by: list[str]


@dataclass(frozen=True, kw_only=True)
class PresetVersionRow:
    """A version in the history."""

    number: int
    note: str
    author: str
    at: float


@dataclass(frozen=True, kw_only=True)
class PresetVersionShown(PresetVersionRow):
    """A version with its text."""

    yaml: str


@dataclass(frozen=True)
class CurrentRules:
    """The newest version's number and document."""

    revision: int
    document: DocumentJson


@dataclass(frozen=True)
class PresetPlace:
    """Whether a name is taken, and by which version."""

    revision: int
    archived_at: float | None


@dataclass(frozen=True)
class UsingDocument:
    """A workflow's newest document, to be asked which presets it uses."""

    id: str
    document: DocumentJson
