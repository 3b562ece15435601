"""The target's databases: what is there, whose it is, and making or dropping the one that is built aside.

Every database of ours carries a comment that says so, as JSON. A database without it is not the appliance's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.sessions.database_sessions import end_sessions, sessions_in
from appliance.postgres.twin.target.locale import LocaleSettings, locale_attempts

OpenDatabase = Callable[[str], Connection[TupleRow]]
"""Opens a session on another database of the same server."""
State = Literal["building", "finished", "verified", "published", "golden"]
ADOPT_COMMENT = "appliance: replace"
"""An owner who writes this as a database's comment lets the appliance replace it, whatever stands in it."""

_REFUSED_LOCALE = {"42809", "22023", "0A000", "42P17", "42704"}
_DROP_ATTEMPTS = 3
_BETWEEN_STEPS_S = 2.0
"""How long a run on this machine takes from one step to the next, on a busy one."""
_DEAD_RUN_WAIT_S = 15.0
"""How long the sessions of a run that died may take to end: the server looks for a dead client every 10 s."""


class Marker(BaseModel):
    """The comment on a database of ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    appliance: Literal["twin"] = "twin"
    workflow: str
    run: str
    state: State
    at: datetime


@dataclass(frozen=True)
class DatabaseFacts:
    """One database of the target server."""

    name: str
    oid: int
    owner: str
    owned: bool
    """The session's role has the owner's rights."""
    accepts_connections: bool
    comment: str | None

    @property
    def marker(self) -> Marker | None:
        """Who made it, where it was us."""
        try:
            return Marker.model_validate_json(self.comment or "")
        except ValidationError:
            return None

    @property
    def half_copied(self) -> bool:
        """A copy of ours whose maker was killed before it wrote the comment: they begin closed to all."""
        return self.owned and self.comment is None and not self.accepts_connections

    @property
    def adopted(self) -> bool:
        """Its owner lets us replace it."""
        return (self.comment or "").strip() == ADOPT_COMMENT


def read_database(admin: Connection[TupleRow], name: str) -> DatabaseFacts | None:
    """A database of the server that ``admin`` is connected to; None where there is none of that name."""
    row = admin.execute(
        "SELECT d.datname::text, d.oid::bigint, r.rolname::text, pg_has_role(d.datdba, 'USAGE'),"
        " d.datallowconn, shobj_description(d.oid, 'pg_database')"
        " FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba WHERE d.datname = %s",
        [name],
    ).fetchone()
    return None if row is None else DatabaseFacts(*row)


def run_sql(connection: Connection[TupleRow], statement: str, *names: str, **values: Any) -> None:
    """Execute a statement; ``{}`` are identifiers, ``{name}`` a literal, or SQL where it is one already."""
    parts = {
        key: value if isinstance(value, sql.Composable) else sql.Literal(value)
        for key, value in values.items()
    }
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names), **parts))


def mark(admin: Connection[TupleRow], database: str, *, workflow: str, run: str, state: State) -> None:
    """Write our comment on a database that we own."""
    marker = Marker(workflow=workflow, run=run, state=state, at=datetime.now(UTC))
    run_sql(admin, "COMMENT ON DATABASE {} IS {text}", database, text=marker.model_dump_json())


def is_empty(connection: Connection[TupleRow]) -> bool:
    """Whether nothing was made in the database that the session is in."""
    row = connection.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)"
        " AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)"
    ).fetchone()
    return row == (True,)


def drop_own(admin: Connection[TupleRow], name: str, *, run: str, open_database: OpenDatabase) -> bool:
    """Drop a database if ``run`` made it and no run has verified it; False otherwise.

    Raises WorkFailedError where it cannot be dropped.
    """
    database = read_database(admin, name)
    if database is None or not database.owned:
        return False
    marker = database.marker
    if marker is None:
        unfinished = _just_created(database, open_database)
    else:
        unfinished = marker.run == run and marker.state not in {"verified", "published"}
    if unfinished:
        _drop(admin, database)
    return unfinished


def drop_ours(admin: Connection[TupleRow], name: str, *, run: str, open_database: OpenDatabase) -> bool:
    """Drop a database that carries our comment; False where there is none.

    One that a run other than ``run`` is working on is left alone. Raises WrongRequestError for a database of
    that name that is not ours, WorkFailedError where it cannot be dropped.
    """
    database = read_database(admin, name)
    if database is None:
        return False
    if not database.owned or (database.marker is None and not _just_created(database, open_database)):
        raise WrongRequestError(
            f"The database '{name}' is in the way.",
            "The appliance builds under that name, and this database was not made by it.",
            f"Rename or drop '{name}' on the target.",
        )
    _wait_for_dead_run(admin, database, run)
    _drop(admin, database)
    return True


def create_next(
    admin: Connection[TupleRow],
    name: str,
    wanted: LocaleSettings,
    *,
    workflow: str,
    run: str,
    open_database: OpenDatabase,
    like: str = "",
) -> list[str]:
    """Make the empty database that is built aside, only its owner let in; returns what fell back.

    ``like`` is the present twin, if any: the new database goes into its tablespace. A leftover of a
    dead run is dropped first. Raises WrongRequestError where the role may not, else WorkFailedError.
    """
    drop_ours(admin, name, run=run, open_database=open_database)
    tablespace, notes = _tablespace_of(admin, like)
    for settings, fallback in locale_attempts(admin, wanted):
        try:
            _create(admin, name, settings, tablespace)
        except psycopg.Error as error:
            if error.sqlstate in _REFUSED_LOCALE:
                continue
            raise _not_created(admin, name, error) from None
        mark(admin, name, workflow=workflow, run=run, state="building")
        # No role may look in before it is verified: the swap gives back what the former twin allowed.
        run_sql(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
        return [*notes, fallback] if fallback else notes
    raise WrongRequestError(
        f"The database '{name}' could not be created with the encoding {wanted.encoding}.",
        "The target server accepts it with none of its locales.",
        "Use a target server that supports the source's encoding.",
    )


def drop_database(admin: Connection[TupleRow], database: DatabaseFacts) -> None:
    """Drop a database that the role owns, and end its sessions. Raises psycopg errors.

    FORCE alone would not do: PostgreSQL refuses it to an owner while an autovacuum worker, which belongs to
    no role, is in the database. A DROP without it ends these workers itself, and waits five seconds for them.
    """
    try:
        return run_sql(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)
    except psycopg.errors.InsufficientPrivilege:
        if not database.owned:
            raise
    for attempt in range(_DROP_ATTEMPTS):
        end_sessions(admin, database.oid)
        try:
            return run_sql(admin, "DROP DATABASE IF EXISTS {}", database.name)
        except psycopg.errors.ObjectInUse:
            if attempt == _DROP_ATTEMPTS - 1:
                raise


def _drop(admin: Connection[TupleRow], database: DatabaseFacts) -> None:
    what = f"The database '{database.name}' of an earlier run could not be dropped."
    try:
        drop_database(admin, database)
    except psycopg.errors.ObjectInUse as error:
        roles = ", ".join(sorted({session.role for session in sessions_in(admin, [database.name])}))
        raise WorkFailedError(
            what,
            f"Sessions of {roles or 'other roles'} are in it, and '{admin.info.user}' may not end them."
            f" (SQLSTATE {error.sqlstate})",
            "Let them disconnect, then run it again.",
            sqlstate=error.sqlstate,
        ) from None
    except psycopg.Error as error:
        raise database_failure(what, error) from None


def _tablespace_of(admin: Connection[TupleRow], database: str) -> tuple[str | None, list[str]]:
    """The tablespace that an administrator has given a database, if it may be used; else why not."""
    row = admin.execute(
        "SELECT t.spcname::text, has_tablespace_privilege(t.oid, 'CREATE') FROM pg_database AS d"
        " JOIN pg_tablespace AS t ON t.oid = d.dattablespace"
        " WHERE d.datname = %s AND d.dattablespace <>"
        " (SELECT dattablespace FROM pg_database WHERE datname = 'template0')",
        [database],
    ).fetchone()
    if row is None:
        return None, []
    name, allowed = row
    if allowed:
        return name, []
    note = (
        f"The new twin is not in the former one's tablespace {name}: the role may not create there."
        f' As a superuser of the target: GRANT CREATE ON TABLESPACE "{name}" TO "{admin.info.user}";'
    )
    return None, [note]


def _create(admin: Connection[TupleRow], name: str, settings: LocaleSettings, tablespace: str | None) -> None:
    statement = "CREATE DATABASE {} TEMPLATE template0 " + settings.options(admin.info.server_version)
    names = [name]
    if tablespace is not None:
        statement += " TABLESPACE {}"
        names.append(tablespace)
    for attempt in range(3):
        try:
            return run_sql(admin, statement, *names)
        except psycopg.errors.ObjectInUse:
            # Something looks into template0, an autovacuum worker mostly.
            if attempt == 2:
                raise
            time.sleep(1)


def _not_created(admin: Connection[TupleRow], name: str, error: psycopg.Error) -> Exception:
    if error.sqlstate == "42501":
        role = admin.info.user
        return WrongRequestError(
            f"The role '{role}' may not create the database '{name}'.",
            "The twin is built aside as a new database before it replaces the former one. (SQLSTATE 42501)",
            f'As a superuser of the target: ALTER ROLE "{role}" CREATEDB;',
            sqlstate=error.sqlstate,
        )
    if error.sqlstate in {"42P04", "23505"}:
        return WorkFailedError(
            f"The database '{name}' was made by another session at the same moment.",
            "Another attempt of this run, or another run, builds the same twin.",
            "Run it again when the other has ended.",
        )
    return database_failure(f"The database '{name}' could not be created.", error)


def _just_created(database: DatabaseFacts, open_database: OpenDatabase) -> bool:
    """An attempt may have been killed after it made the database and before it wrote the comment."""
    if not database.accepts_connections:
        return False
    with open_database(database.name) as inside:
        return is_empty(inside)


def _wait_for_dead_run(admin: Connection[TupleRow], database: DatabaseFacts, run: str) -> None:
    """Let sessions of another run end; a run that is alive keeps its database.

    Between two steps a run that is alive has no session either.
    """
    marker = database.marker
    if marker is None or marker.run == run:
        return
    seen = began = time.monotonic()
    while (now := time.monotonic()) < began + _DEAD_RUN_WAIT_S:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
            [marker.run[:63]],
        ).fetchone()
        if row != (0,):
            seen = now
        elif now - seen >= _BETWEEN_STEPS_S:
            return
        time.sleep(0.25)
    raise WorkFailedError(
        f"Another run is building '{database.name}'.",
        f"The run {marker.run} of the workflow {marker.workflow} is still at work on this server.",
        "Wait until that run has ended, or cancel it, then run again.",
    )
