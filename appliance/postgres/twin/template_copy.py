"""A database as a copy of another one on the same server: its files cloned where the server can, else copied.

Cloned files (PostgreSQL 18's ``file_copy_method``, on XFS with reflinks, btrfs, ZFS, APFS) share their blocks
until one of the two is written to: a copy takes well under a second, and no space. Nothing in a catalog says
whether the disk can, so it is tried.
"""

from __future__ import annotations

import time
from typing import Literal

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.sessions.database_sessions import end_sessions
from appliance.postgres.twin.database import drop_database, read_database, run_sql
from appliance.postgres.twin.target.extension_trial import one_trial_at_a_time

Method = Literal["clone", "copy"]

_CLONES_SINCE = 180000
_STRATEGY_SINCE = 150000
_ATTEMPTS = 3
_NOT_ABOUT_CLONING = (
    psycopg.errors.ObjectInUse,
    psycopg.errors.DuplicateDatabase,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DiskFull,
)


def copy_statement(server_version: int) -> str:
    """The SQL that copies a database; its two names are to be filled in: the new one, the template.

    The copy takes no connection yet: CREATE DATABASE would let everybody in.
    """
    # Before 15 copying files was the only way; since then it is not the default, and writes all to the log.
    strategy = " STRATEGY FILE_COPY" if server_version >= _STRATEGY_SINCE else ""
    return "CREATE DATABASE {} TEMPLATE {}" + strategy + " ALLOW_CONNECTIONS false"


def copy_database(
    admin: Connection[TupleRow], template: str, new: str, *, only_clone: bool = False
) -> Method:
    """Make ``new`` a copy of ``template``, closed to everybody; how it was done.

    ``only_clone``: raise rather than copy. Raises psycopg errors; ObjectInUse where sessions are in the
    template.
    """
    if admin.info.server_version >= _CLONES_SINCE:
        try:
            _set_method(admin, "clone")
            _create(admin, template, new)
        except _NOT_ABOUT_CLONING:
            raise
        except psycopg.Error:
            if admin.broken or only_clone:
                raise
        else:
            return "clone"
        finally:
            if not admin.broken:
                admin.execute("RESET file_copy_method")
    elif only_clone:
        raise psycopg.errors.FeatureNotSupported("file_copy_method is of PostgreSQL 18")
    _create(admin, template, new)
    return "copy"


def can_clone(admin: Connection[TupleRow], trial: str) -> bool:
    """Whether this server's disk clones files: tried with an empty database, which is dropped at once."""
    if admin.info.server_version < _CLONES_SINCE:
        return False
    try:
        with one_trial_at_a_time(admin, trial):
            former = read_database(admin, trial)
            if former is not None:
                if not former.half_copied:
                    return False
                drop_database(admin, former)
            copy_database(admin, "template0", trial, only_clone=True)
            made = read_database(admin, trial)
            if made is not None:
                drop_database(admin, made)
    except psycopg.Error:
        if admin.broken:
            raise
        return False
    return True


def open_to_owner(admin: Connection[TupleRow], database: str) -> None:
    """Let only its owner connect. Raises psycopg errors."""
    run_sql(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    run_sql(admin, "ALTER DATABASE {} ALLOW_CONNECTIONS true", database)


def _set_method(admin: Connection[TupleRow], method: Method) -> None:
    run_sql(admin, "SET file_copy_method = {method}", method=method)


def _create(admin: Connection[TupleRow], template: str, new: str) -> None:
    statement = copy_statement(admin.info.server_version)
    for attempt in range(_ATTEMPTS):
        try:
            return run_sql(admin, statement, new, template)
        except psycopg.errors.ObjectInUse:
            # An autovacuum worker, mostly: the server waits five seconds for it to end.
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1)


def end_all_sessions(admin: Connection[TupleRow], database: str) -> None:
    """End who is in a database that only its owner opens, as far as the role may."""
    found = read_database(admin, database)
    if found is not None:
        end_sessions(admin, found.oid)
