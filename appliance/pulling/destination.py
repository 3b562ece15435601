"""The database that a pull makes: built aside, put in place by renaming, known by its comment."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.postgres.errors import database_failure
from appliance.postgres.login_errors import connect_failure

_ASIDE, _FORMER = "__pull", "__pulled"
_LONGEST_NAME = 63 - len(_FORMER)
_APPLICATION = "appliance pull"

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"

Session = psycopg.Connection[TupleRow]


class Destination:
    """The server and the name that an archive is to have there."""

    def __init__(self, to: str) -> None:
        """``to`` is a URL or what libpq takes. Raises WrongRequestError."""
        try:
            given = conninfo_to_dict(to)
            self._given = {key: str(value) for key, value in given.items() if value is not None}
        except psycopg.Error:
            raise WrongRequestError(
                "That is no address of a database.", "", "--to postgresql://localhost/shop"
            ) from None
        self.database = self._given.pop("dbname", "")
        if not self.database or len(self.database.encode()) > _LONGEST_NAME:
            raise WrongRequestError(
                "The address names no database, or one with too long a name.",
                f"It has up to {_LONGEST_NAME} bytes: while it is built, it has a longer one.",
                "--to postgresql://localhost/shop",
            )
        self.aside = self.database + _ASIDE
        self.former = self.database + _FORMER

    @contextlib.contextmanager
    def session(self, database: str) -> Iterator[Session]:
        """A session of that server. Raises our errors."""
        given = {"connect_timeout": "15", **self._given, "dbname": database}
        try:
            session = psycopg.connect(
                make_conninfo(**given, application_name=_APPLICATION, client_encoding="utf8"), autocommit=True
            )
        except psycopg.Error as error:
            raise connect_failure("--to", given, error) from None
        try:
            with session:
                yield session
        except psycopg.Error as error:
            what = f"The server for the database {self.database} could not be used."
            raise database_failure(what, error) from None

    def environment(self) -> dict[str, str]:
        """What pg_restore is given: a password stands in no command line."""
        kept = ("PATH", "HOME", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGSSLROOTCERT")
        found = {name: value for name in kept if (value := os.environ.get(name)) is not None}
        if "password" in self._given:
            found["PGPASSWORD"] = self._given["password"]
        return {**found, "LC_ALL": "C"}

    def conninfo(self, database: str) -> str:
        """For a command line."""
        return make_conninfo(
            **{**{key: value for key, value in self._given.items() if key != "password"}, "dbname": database}
        )


def check_name(admin: Session, to: Destination, *, replace: bool) -> None:
    """Whether the name is free, or what has it may go. Raises WrongRequestError where not."""
    for beside in (to.aside, to.former):
        if _exists(admin, beside) and not _is_ours(admin, beside):
            raise WrongRequestError(
                f"There is a database {beside}, which no pull has made.",
                "",
                "Rename it, or name another in --to.",
            )
    if not _exists(admin, to.database) or replace:
        return
    with to.session(to.database) as there:
        row = there.execute(
            "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema')"
        ).fetchone()
    if row is not None and row[0]:
        raise WrongRequestError(
            f"The database {to.database} is not empty.",
            "What is in it would be lost.",
            "--replace, if that is meant; sessions in it are ended then.",
        )


def _exists(admin: Session, name: str) -> bool:
    return admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _is_ours(admin: Session, name: str) -> bool:
    row = admin.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    with contextlib.suppress(ValueError, TypeError):
        said = json.loads(row[0]) if row is not None else None
        return isinstance(said, dict) and said.get("appliance") == "pull"
    return False


def make_aside(admin: Session, to: Destination) -> None:
    """An empty database under the other name. What an earlier pull has left there goes."""
    for name in (to.aside, to.former):
        drop_own(admin, name)
    aside = sql.Identifier(to.aside)
    admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(aside))
    _mark(admin, to.aside, {"appliance": "pull"})


def _mark(admin: Session, name: str, said: dict[str, str]) -> None:
    admin.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(json.dumps(said)))
    )


def drop_own(admin: Session, name: str) -> None:
    """Drop a database that a pull made; any other stays."""
    if _exists(admin, name) and _is_ours(admin, name):
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def put_in_place(admin: Session, to: Destination, *, workflow: str, run: str, replace: bool) -> None:
    """By renaming, in one transaction; what had the name is dropped after it."""
    check_name(admin, to, replace=replace)
    had = _exists(admin, to.database)
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    database, aside, former = (sql.Identifier(each) for each in (to.database, to.aside, to.former))
    if had:
        admin.execute(_END_SESSIONS, [to.database])
    with admin.transaction():
        if had:
            admin.execute(rename.format(database, former))
            _mark(admin, to.former, {"appliance": "pull", "state": "replaced"})
        admin.execute(rename.format(aside, database))
        _mark(admin, to.database, {"appliance": "pull", "workflow": workflow, "run": run})
    if had:
        drop_own(admin, to.former)
