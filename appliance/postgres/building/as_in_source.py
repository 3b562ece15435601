"""Sets up a session of the target, for one transaction, as the definitions of the source expect it.

Rows travel under settings of ours, under which text means the same on both servers. Indexes, checks,
generated columns, domains and views are evaluated under the source's. Where one statement does both, what
its text means comes first. Nothing here lets a name be captured: the database is ours alone until it is
published, ``pg_catalog`` comes first in the path, and temporary objects last.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import psycopg
from psycopg import sql

from appliance.postgres.plan import DefinitionSettings, OwnerSettings, Settings
from appliance.postgres.sessions.connect import SESSION_SETTINGS
from appliance.postgres.sessions.parallel_jobs import Session

Work = Literal["evaluate", "define", "load binary", "load text"]
"""Evaluate what is defined already; run pg_dump's statements; load rows by their binary or text forms."""

_OF_STATEMENTS = frozenset(
    {
        "IntervalStyle",
        "xmloption",
        "array_nulls",
        "transform_null_equals",
        "standard_conforming_strings",
        "backslash_quote",
        "quote_all_identifiers",
    }
)
_OURS: dict[Work, frozenset[str]] = {
    "evaluate": frozenset(),
    "define": _OF_STATEMENTS,
    "load binary": frozenset(),
    "load text": _OF_STATEMENTS | {"DateStyle", "lc_monetary"},
}


@lru_cache(maxsize=256)
def set_as_in_source(settings: Settings, work: Work) -> str:
    """A statement that sets a transaction up; empty where nothing is known."""
    return _set_config((name, value) for name, value in settings if name not in _OURS[work])


def names_as_in_source(settings: Settings) -> str:
    """A statement that sets the path of a session that only reads: nothing else of how values look."""
    path = dict(settings).get("search_path", "")
    return f"SELECT pg_catalog.set_config('search_path', {sql.Literal(path).as_string(None)}, false)"


@lru_cache(maxsize=256)
def set_as_ours(settings: Settings) -> str:
    """A statement that sets the same transaction up for statements of ours."""
    return _set_config(
        (name, SESSION_SETTINGS[name.lower()]) for name, _ in settings if name.lower() in SESSION_SETTINGS
    )


def accepted(session: Session, wanted: DefinitionSettings) -> tuple[DefinitionSettings, list[str]]:
    """What of the settings the target takes, and sentences about the rest. Raises psycopg errors.

    The session is in the database that holds the source's schema already: a configuration of its text search
    may be among them.
    """
    refused = dict[tuple[str, str], str]()
    for pair in dict.fromkeys(pair for each in _all(wanted) for pair in each):
        try:
            with session.transaction(force_rollback=True):
                session.execute(_set_config([pair]).encode())
        except psycopg.Error as error:
            if session.broken:
                raise
            refused[pair] = error.sqlstate or ""
    notes = [
        f"The target does not take the source's {name}{_shown(name, value)} (SQLSTATE {state}): what is"
        " evaluated while the twin is built has the target's own."
        for (name, value), state in refused.items()
    ]

    names = {pair[0] for each in _all(wanted) for pair in each if pair not in refused}
    here = {name: session.execute("SELECT current_setting(%s, true)", [name]).fetchone() for name in names}
    unset = {name: str(row[0]) if row and row[0] is not None else "" for name, row in here.items()}

    def kept(settings: Settings) -> Settings:
        """All of the names: nothing may stay, in one transaction, of what another owner's table was given."""
        taken = unset | {name: value for name, value in settings if (name, value) not in refused}
        return tuple(sorted(taken.items()))

    owners = tuple(OwnerSettings(settings=kept(each.settings), tables=each.tables) for each in wanted.owners)
    return DefinitionSettings(common=kept(wanted.common), owners=owners), notes


def _shown(name: str, value: str) -> str:
    """The value of a setting of PostgreSQL's own; those of applications may be anything."""
    return "" if "." in name else f" = '{value}'"


def _all(settings: DefinitionSettings) -> list[Settings]:
    return [settings.common, *(each.settings for each in settings.owners)]


def _set_config(settings: Iterable[tuple[str, str]]) -> str:
    calls = [
        f"set_config({sql.Literal(name).as_string(None)}, {sql.Literal(value).as_string(None)}, true)"
        for name, value in settings
    ]
    return f"SELECT {', '.join(f'pg_catalog.{call}' for call in calls)}; " if calls else ""
