"""``<twin>__golden``: what a run has proven, closed to changes. Branches are copies of it.

It is made from the verified database while no user is in that, so no session need ever be ended for a branch,
and a branch holds what was proven and nothing that a user of the twin has written since.
"""

from __future__ import annotations

from typing import Literal

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.twin.database import DatabaseFacts, drop_database, mark, read_database
from appliance.postgres.twin.names import TwinNames
from appliance.postgres.twin.template_copy import copy_database, open_to_owner

Wish = Literal["always", "if_cloned", "never", "as_it_is"]
"""When a golden copy is made. ``as_it_is``: an earlier attempt has seen to it."""


def wish_of(golden: bool | None) -> Wish:
    """What the delivery's ``golden`` stands for."""
    if golden is None:
        return "if_cloned"
    return "always" if golden else "never"


def keep_golden(
    admin: Connection[TupleRow], names: TwinNames, wish: Wish, *, workflow: str, run: str
) -> list[str]:
    """Make the golden copy of ``names.next``, whose sessions are all closed; returns what to tell.

    One that cannot be made keeps no twin from being published. One of an earlier run is dropped first.
    """
    former = read_database(admin, names.golden)
    if wish == "as_it_is" or (wish != "never" and is_golden_of(former, run)):
        return []
    if former is not None and not _is_ours(former):
        text = f"'{names.golden}' was not made by the appliance: no golden copy was kept."
        return [text] if wish == "always" else []
    try:
        if former is not None:
            drop_database(admin, former)
        if wish != "never":
            _make(admin, names, wish, workflow, run)
    except psycopg.Error as error:
        if admin.broken:
            raise
        _drop_half_made(admin, names.golden)
        if wish != "always":
            return []
        return [
            f"The golden copy '{names.golden}' could not be made (SQLSTATE {error.sqlstate})."
            " Branches are made from the former twin until the next run."
        ]
    return []


def is_golden_of(database: DatabaseFacts | None, run: str | None = None) -> bool:
    """Whether it is a whole golden copy, and of that run, if one is named."""
    marker = database.marker if database is not None else None
    return marker is not None and marker.state == "golden" and run in {None, marker.run}


def _is_ours(database: DatabaseFacts) -> bool:
    return database.owned and (database.marker is not None or database.half_copied)


def _make(admin: Connection[TupleRow], names: TwinNames, wish: Wish, workflow: str, run: str) -> None:
    copy_database(admin, names.next, names.golden, only_clone=wish == "if_cloned")
    with admin.transaction():
        open_to_owner(admin, names.golden)
        mark(admin, names.golden, workflow=workflow, run=run, state="golden")


def _drop_half_made(admin: Connection[TupleRow], name: str) -> None:
    made = read_database(admin, name)
    if made is None or not made.owned:
        return
    try:
        drop_database(admin, made)
    except psycopg.Error:
        # It is closed and has no mark: the next run drops it.
        return
