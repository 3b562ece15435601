"""Which extensions a target's role can create, where its catalog does not say it or says it wrong.

Managed servers (Amazon RDS, Azure, Cloud SQL, Supabase, and pgextwlist anywhere) let a plain role create what
their lists allow, and no catalog shows it. Others that everybody may create refuse it unless their library is
loaded with the server. So what is doubtful is tried in an empty database of the twin's owner, which is
dropped at once, and the server is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from appliance.postgres.twin.database import OpenDatabase, drop_database, mark, read_database, run_sql
from appliance.postgres.twin.target.abilities import TargetAbilities

_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"


# Of PostgreSQL itself, and for everybody: none of them needs anything but its files.
_SURE = frozenset(
    """
    btree_gin btree_gist citext cube dict_int earthdistance fuzzystrmatch hstore intarray isn lo
    ltree pgcrypto pg_trgm plpgsql seg tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp
    """.split()  # noqa: SIM905 - a list of names, not of quotation marks
)
# A server that is stopped says nothing of the extension.
_STOPS = "57"


def try_extensions(
    admin: Connection[TupleRow],
    open_database: OpenDatabase,
    database: str,
    abilities: TargetAbilities,
    wanted: Collection[str],
) -> TargetAbilities:
    """The abilities, with what came of trying those of ``wanted`` that are doubtful.

    ``database`` is made for the trial, and only where there is something to try. Where it cannot be made, the
    catalog is believed.
    """
    doubtful = sorted((set(wanted) & abilities.available) - (abilities.extensions & _SURE))
    if not doubtful:
        return abilities
    try:
        with one_trial_at_a_time(admin, database), _empty_database(admin, database) as made:
            if not made:
                return abilities
            created = _created(partial(open_database, database), doubtful)
    except psycopg.Error:
        return abilities
    return abilities.as_tried(created=created, refused=abilities.extensions.intersection(doubtful) - created)


def _created(open_session: Callable[[], Connection[TupleRow]], names: Iterable[str]) -> frozenset[str]:
    created = set()
    session = open_session()
    try:
        for name in names:
            if _is_created(session, name):
                created.add(name)
            if session.broken:
                session = open_session()
    finally:
        session.close()
    return frozenset(created)


def _is_created(session: Connection[TupleRow], name: str) -> bool:
    statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(name))
    try:
        # In a transaction of its own: a script that fails half-way leaves nothing behind.
        with session.transaction():
            session.execute("SET LOCAL client_min_messages = error")
            # Where an extension does not say itself which schema it goes to, it takes the first of these.
            session.execute("SET LOCAL search_path = public")
            session.execute(statement)
    except psycopg.Error as error:
        # One whose library must be loaded with the server may end the session (TimescaleDB does).
        if session.broken and (error.sqlstate is None or error.sqlstate.startswith(_STOPS)):
            raise
        return False
    return True


@contextmanager
def _empty_database(admin: Connection[TupleRow], name: str) -> Iterator[bool]:
    """Make it and drop it, one trial at a time; False where a foreign one has that name."""
    with one_trial_at_a_time(admin, name):
        former = read_database(admin, name)
        if former is not None:
            if not former.owned or (former.marker is None and not former.half_copied):
                yield False
                return
            drop_database(admin, former)
        run_sql(admin, "CREATE DATABASE {} TEMPLATE template0", name)
        try:
            mark(admin, name, workflow="", run="", state="building")
            run_sql(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
            yield True
        finally:
            database = read_database(admin, name)
            if database is not None:
                drop_database(admin, database)


@contextmanager
def one_trial_at_a_time(admin: Connection[TupleRow], name: str) -> Iterator[None]:
    """Wait for another trial in the database of that name, and keep others waiting. Raises psycopg errors."""
    admin.execute(_LOCK, [name])
    try:
        yield
    finally:
        admin.execute(_UNLOCK, [name])
