"""Branches in the ledger of copies: those that it does not have yet, and the end of those that are gone.

What drops branches may not see the key that signs, and their users drop them too. So each is looked for here,
every hour: one that is gone is signed for, and noted as ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance.branches.branch import BranchMarker, marker_of
from appliance.branches.noting import branch_copy
from appliance.branches.reading import all_branches
from appliance.branches.remembered import remembered
from appliance.connections.database import Connection
from appliance.copies.ledger import CopyMade, ended, made, note_ended, note_made
from appliance.erasure.receipt import sign_ending
from appliance.erasure.sessions import open_admin
from appliance.errors import ApplianceError
from appliance.postgres.errors import database_failure
from appliance.postgres.twin.database import read_database
from appliance.postgres.twin.turns import changing_branches

_LONGEST_WAIT = "SET lock_timeout = '60s'"


def standing_branches(state_dir: Path) -> list[CopyMade]:
    """Those of the ledger whose end is not noted, the oldest first."""
    over = ended(state_dir)
    return [each for each in made(state_dir) if each.kind == "branch" and each.key not in over]


def note_branches(
    state_dir: Path, connections: dict[str, Connection], now: datetime
) -> Iterator[CopyMade | ApplianceError]:
    """Note what stands and is not in the ledger; sign and note the end of each that is gone, and name it."""
    names = {each.place.partition("/")[0] for each in standing_branches(state_dir)}
    for name in sorted(names | set(remembered(state_dir))):
        try:
            with closing(open_admin(name, connections)) as admin:
                admin.execute(_LONGEST_WAIT)
                # A branch that is being made is in the ledger, and has no mark yet.
                with changing_branches(admin):
                    _note_unknown(admin, state_dir, name)
                    gone = _gone(admin, state_dir, name)
        except psycopg.errors.LockNotAvailable:
            # One is being copied, which may take long: the next hour's look will do.
            continue
        except (psycopg.Error, ApplianceError) as error:
            # A server that is away is no trouble before something there should have ended.
            if _has_due(state_dir, name, now):
                yield _failure(name, error)
            continue
        for copy, again in gone:
            try:
                why = _why(copy, now, again=again)
                sign_ending(state_dir, copy, why)
                note_ended(state_dir, copy, why)
                yield copy
            except ApplianceError as error:
                yield error


def is_branch(copy: CopyMade, marker: BranchMarker | None) -> bool:
    """Whether the mark of the database at its place is its own, and not that of one made there later."""
    return marker is not None and marker.made_at == copy.made_at


def _note_unknown(admin: psycopg.Connection[TupleRow], state_dir: Path, connection: str) -> None:
    note_made(
        state_dir,
        [
            branch_copy(state_dir, connection, each.database.name, each.marker, "command line")
            for each in all_branches(admin)
            if each.marker.run
        ],
    )


def _has_due(state_dir: Path, connection: str, now: datetime) -> bool:
    return any(
        each.expires_at is not None and each.expires_at <= now
        for each in standing_branches(state_dir)
        if each.place.startswith(f"{connection}/")
    )


def _failure(connection: str, error: psycopg.Error | ApplianceError) -> ApplianceError:
    if isinstance(error, ApplianceError):
        return error
    return database_failure(f"The branches on '{connection}' could not be looked at.", error)


def _gone(
    admin: psycopg.Connection[TupleRow], state_dir: Path, connection: str
) -> list[tuple[CopyMade, bool]]:
    """Branches of the ledger that are not on the server, and whether another stands in their place."""
    found = []
    for copy in standing_branches(state_dir):
        name, _, database = copy.place.partition("/")
        if name != connection:
            continue
        facts = read_database(admin, database)
        marker = marker_of(facts) if facts is not None else None
        if not is_branch(copy, marker):
            found.append((copy, marker is not None))
    return found


def _why(copy: CopyMade, now: datetime, *, again: bool) -> str:
    if copy.expires_at is not None and copy.expires_at <= now:
        return f"It is gone; its time was over on {copy.expires_at:%Y-%m-%d %H:%M}."
    if again:
        return "It was made again, with rows of a later moment in its place."
    return "It was gone before its time: dropped, or never whole."
