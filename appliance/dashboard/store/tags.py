"""Tags: words that people give to appliances and workflows, to find several and to change them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from appliance.dashboard.security import Actor
from appliance.dashboard.store import workflows
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.database import Database, Session
from appliance.errors import WrongRequestError

Kind = Literal["appliance", "workflow"]


@dataclass(frozen=True)
class Tagged:
    """A tag, and whose it is."""

    id: str
    tag: str


MAX_LENGTH = 40
MAX_TAGS = 20
"""Of one appliance or workflow: more would hide its name in a list."""


def read_tags(words: Iterable[str]) -> frozenset[str]:
    """Tags as they are kept: without case, with single blanks. Raises WrongRequestError."""
    found = frozenset(filter(None, (" ".join(word.split()).casefold() for word in words)))
    for tag in sorted(found):
        if len(tag) > MAX_LENGTH or not tag.isprintable() or "," in tag:
            raise WrongRequestError(
                "That cannot be a tag.",
                f"A tag is a word or a few, of up to {MAX_LENGTH} characters, without a comma.",
                "Write several with commas between them, like: hospital, north.",
            )
    return found


def tags_by_subject(session: Session, kind: Kind) -> dict[str, list[str]]:
    """The tags of every appliance or workflow that has any, by its id."""
    found: dict[str, list[str]] = {}
    for row in session.all(Tagged, f"SELECT {kind}_id AS id, tag FROM {kind}_tag ORDER BY tag"):  # noqa: S608
        found.setdefault(row.id, []).append(row.tag)
    return found


def tags_of(session: Session, kind: Kind, subject: str) -> list[str]:
    """The tags of one."""
    return session.column(str, f"SELECT tag FROM {kind}_tag WHERE {kind}_id = ? ORDER BY tag", subject)  # noqa: S608


def retag(
    database: Database,
    actor: Actor,
    kind: Kind,
    subject: str,
    change: Callable[[frozenset[str]], frozenset[str]],
) -> list[str]:
    """Change the tags of one: ``change`` is given those that it has. Returns what it has then."""
    with database.write() as session:
        known = (
            fleet.appliance(session, subject).name
            if kind == "appliance"
            else workflows.workflow(session, subject).id
        )
        before = frozenset(tags_of(session, kind, subject))
        after = change(before)
        if len(after) > MAX_TAGS:
            raise WrongRequestError(f"{known} would have {len(after)} tags; {MAX_TAGS} is the most.", "", "")
        for tag in before - after:
            session.run(f"DELETE FROM {kind}_tag WHERE {kind}_id = ? AND tag = ?", subject, tag)  # noqa: S608
        for tag in after - before:
            session.run(f"INSERT INTO {kind}_tag ({kind}_id, tag) VALUES (?, ?)", subject, tag)  # noqa: S608
        if before != after:
            added, removed = ", ".join(sorted(after - before)), ", ".join(sorted(before - after))
            audit.record(session, actor, f"{kind}.tags", known, added=added or None, removed=removed or None)
    return sorted(after)
