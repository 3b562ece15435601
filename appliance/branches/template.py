"""Which database a branch is copied from. A database can be copied only while no session is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.branches.branch import TemplateKind
from appliance.errors import WrongRequestError

IN_WORDS = {"golden": "what the run has proven", "twin": "the twin", "former": "the former twin"}


@dataclass(frozen=True)
class Candidate:
    """A database of the twin's that could be copied."""

    kind: TemplateKind
    database: str
    run: str
    newest: bool = False
    """No other of them is of a newer run."""
    users: tuple[str, ...] = ()
    """Roles of the sessions in it, which are not ours to end."""


def choose(candidates: Sequence[Candidate], twin: str, wanted: TemplateKind | None = None) -> Candidate:
    """The one to copy. Raises WrongRequestError where there is none, or none is free.

    What was proven, if it is of the run that the twin is of. Otherwise (there is none, or the twin was rolled
    back) the former twin, but not one that was rolled back from; else the twin: who connects to
    it while it is copied has to wait.
    """
    by_kind = {each.kind: each for each in candidates}
    if wanted is not None:
        chosen = by_kind.get(wanted)
        if chosen is None:
            raise WrongRequestError(
                f"There is no database to copy: {IN_WORDS[wanted]} of '{twin}' is not there.",
                f"There is: {', '.join(IN_WORDS[each.kind] for each in candidates) or 'nothing'}.",
                "appliance twin show CONNECTION",
            )
        return _free(chosen)
    present = by_kind.get("twin")
    golden = by_kind.get("golden")
    if golden is not None and (present is None or present.run == golden.run):
        return _free(golden)
    if present is None:
        raise WrongRequestError(
            f"There is no twin '{twin}' yet, so there is nothing to branch from.",
            "A branch is a copy of what a run has published.",
            "Start a run of the workflow.",
        )
    former = by_kind.get("former")
    if former is not None and not former.users and not former.newest:
        return former
    return _free(present)


def _free(chosen: Candidate) -> Candidate:
    if chosen.users:
        raise occupied(chosen)
    return chosen


def occupied(chosen: Candidate) -> WrongRequestError:
    """The error for one that sessions are in."""
    who = ", ".join(chosen.users) or "a user"
    return WrongRequestError(
        f"'{chosen.database}' cannot be copied now: sessions of {who} are in it.",
        "PostgreSQL copies a database only while no session is in it. With `golden: true` in the workflow's"
        " twin delivery every run keeps a copy that no user can open.",
        "Try again when they have left, or name another one: --from golden, --from former, --from twin.",
        sqlstate="55006",
    )
