"""Two versions of a document side by side, and both of two changes in one text."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal, NamedTuple

from merge3 import Merge3

from appliance.dashboard.http_errors import NotFoundError
from appliance.dashboard.store import workflows
from appliance.dashboard.store.database import Session

YOURS, BETWEEN, THEIRS = "<<<<<<<", "=======", ">>>>>>>"
"""What stands around lines that both have changed; no YAML, so such a text cannot be saved by mistake."""


class DiffLine(NamedTuple):
    """A line of a difference, with its numbers in both texts."""

    kind: Literal["same", "added", "removed", "skip"]
    old: int | None
    new: int | None
    text: str


def difference(before: str, after: str) -> list[DiffLine]:
    """A diff line by line."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[DiffLine] = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for group in matcher.get_grouped_opcodes(3):
        if lines:
            lines.append(DiffLine("skip", None, None, ""))
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [DiffLine("same", a + i + 1, c + i + 1, old[a + i]) for i in range(b - a)]
            else:
                lines += [DiffLine("removed", i + 1, None, old[i]) for i in range(a, b)]
                lines += [DiffLine("added", None, i + 1, new[i]) for i in range(c, d)]
    return lines


class Merged(NamedTuple):
    """Both changes in one text, and how many places both have changed differently."""

    text: str
    conflicts: int


def merge(base: str, yours: str, theirs: str, their_name: str) -> Merged:
    """Bring two changes of one text together. Where both changed the same lines, both stand there, marked."""
    merging = Merge3(_lines(base), _lines(yours), _lines(theirs))
    marked = merging.merge_lines(
        name_a="yours",
        name_b=their_name,
        start_marker=YOURS,
        mid_marker=BETWEEN,
        end_marker=THEIRS,
        reprocess=True,
    )
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in marked)
    conflicts = sum(line.startswith(YOURS) for line in text.splitlines())
    return Merged(text, conflicts)


def _lines(text: str) -> list[str]:
    return (text if text.endswith("\n") else f"{text}\n").splitlines(keepends=True)


@dataclass(frozen=True)
class Overtaken:
    """What a person sees whose change was overtaken by another."""

    begun: int
    present: int
    author: str
    note: str
    at: float
    theirs: list[DiffLine]
    """What the others have changed since."""
    yours: list[DiffLine]
    """What saving over it would change."""
    conflicts: int | None
    """How many places both changed; None where the version that was begun from is no longer kept."""
    merged: str


def overtaken(session: Session, workflow_id: str, begun: int, present: int, typed: str) -> Overtaken:
    """The present version against what was typed."""
    newest = workflows.revision(session, workflow_id, present)
    try:
        base = workflows.revision(session, workflow_id, begun).yaml
    except NotFoundError:
        base = None
    both = None if base is None else merge(base, typed, newest.yaml, f"version {present}")
    return Overtaken(
        begun=begun,
        present=present,
        author=newest.author,
        note=newest.note,
        at=newest.at,
        theirs=difference(base, newest.yaml) if base is not None else [],
        yours=difference(newest.yaml, typed),
        conflicts=both.conflicts if both else None,
        merged=both.text if both else typed,
    )
