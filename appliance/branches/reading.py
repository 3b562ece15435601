"""What stands on a target server: its branches, and what a branch can be a copy of."""

from __future__ import annotations

from datetime import timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.branches.branch import Branch, marker_of
from appliance.branches.template import Candidate
from appliance.policy.branches import BranchPolicy, check_branch
from appliance.policy.refusal import Origin, Refusal
from appliance.postgres.sessions.database_sessions import sessions_in
from appliance.postgres.twin.database import DatabaseFacts, read_database
from appliance.postgres.twin.golden import is_golden_of
from appliance.postgres.twin.names import twin_names

_MARKED = """
SELECT d.datname::text FROM pg_database AS d JOIN pg_shdescription AS c
    ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
WHERE c.description LIKE '{"appliance":"branch"%' ORDER BY 1
"""


def all_branches(admin: Connection[TupleRow]) -> list[Branch]:
    """Every branch on the server that the session's role may drop, whole or not."""
    found = []
    for (name,) in admin.execute(_MARKED).fetchall():
        database = read_database(admin, name)
        marker = marker_of(database) if database is not None else None
        if database is not None and marker is not None and database.owned:
            found.append(Branch(database, marker, bytes_of(admin, name)))
    return found


def bytes_of(admin: Connection[TupleRow], database: str) -> int:
    """A database's size as the server counts it: what is shared with another one, too."""
    row = admin.execute("SELECT pg_database_size(%s::name)", [database]).fetchone()
    return int(row[0]) if row is not None else 0


def candidates(admin: Connection[TupleRow], twin: str) -> list[Candidate]:
    """The databases of a twin that a branch could be copied from."""
    names = twin_names(twin)
    there = {
        "twin": _published(read_database(admin, names.twin)),
        "former": _published(read_database(admin, names.prev)),
        "golden": _golden(read_database(admin, names.golden)),
    }
    found = {kind: database for kind, database in there.items() if database is not None}
    times = {kind: each.marker.at for kind, each in found.items() if each.marker is not None}
    newest = max((times[kind] for kind in ("twin", "former") if kind in times), default=None)
    return [
        Candidate(
            kind=kind,  # type: ignore[arg-type]
            database=database.name,
            run=database.marker.run if database.marker is not None else "",
            newest=times.get(kind) == newest,
            users=() if kind == "golden" else _users(admin, database.name),
        )
        for kind, database in found.items()
    ]


def refusals(
    admin: Connection[TupleRow],
    policy: BranchPolicy,
    template: Candidate,
    ttl: timedelta,
    *,
    but: str = "",
    origin: Origin = "local",
) -> tuple[Refusal, ...]:
    """Why policy says no to one more branch, a copy of ``template``; ``but`` names one that it replaces."""
    others = [each for each in all_branches(admin) if each.database.name != but]
    return check_branch(
        policy,
        ttl=ttl,
        there=len(others),
        there_bytes=sum(each.bytes for each in others),
        new_bytes=bytes_of(admin, template.database),
        origin=origin,
    )


def _published(database: DatabaseFacts | None) -> DatabaseFacts | None:
    marker = database.marker if database is not None else None
    return database if marker is not None and marker.state == "published" else None


def _golden(database: DatabaseFacts | None) -> DatabaseFacts | None:
    return database if is_golden_of(database) else None


def _users(admin: Connection[TupleRow], database: str) -> tuple[str, ...]:
    return tuple(sorted({session.role for session in sessions_in(admin, [database])}))
