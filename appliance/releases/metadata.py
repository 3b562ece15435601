"""Airflow's metadata, copied aside before a switch and put back after one that failed.

After a failure only the copy is sure: what a release that does not work has left may be anything. A way down
that is meant takes along what was recorded since, and is ``way_down``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from appliance.durable import remove_unfinished, whole_file
from appliance.errors import WorkFailedError
from appliance.system.postgres_programs import of_server

_VERSION = "SELECT coalesce((SELECT string_agg(version_num, ',') FROM alembic_version), '')"
_START_AFRESH = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n"


def version(conninfo: str) -> str:
    """The schema version that the metadata has. Raises WorkFailedError where the database does not answer."""
    return _psql(conninfo, "--command", _VERSION).strip()


def save(conninfo: str, copy: Path) -> None:
    """Write the whole metadata as SQL into a file that only its owner reads. Whole or not at all."""
    remove_unfinished(copy)
    with whole_file(copy, durable=True, mode=0o600) as file:
        file.write(_START_AFRESH.encode())
        file.flush()
        options = ["--format=plain", "--no-owner", "--no-privileges", "--no-password", "--dbname", conninfo]
        command = [of_server("pg_dump", conninfo), *options]
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise _failed("Airflow's metadata could not be copied aside.", done.stderr)


def restore(conninfo: str, copy: Path) -> None:
    """Put the copy back in place of what is there now: all of it, or nothing."""
    _psql(conninfo, "--single-transaction", "--file", str(copy))


def _psql(conninfo: str, *arguments: str) -> str:
    options = ["--no-psqlrc", "--no-password", "--quiet", "--no-align", "--tuples-only"]
    options += ["--set", "ON_ERROR_STOP=1", "--dbname", conninfo]
    command = [of_server("psql", conninfo), *options, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise _failed("Airflow's metadata cannot be reached.", done.stderr)
    return done.stdout


def _failed(what: str, said: str) -> WorkFailedError:
    # What PostgreSQL's programs print first names the program and the reason, and no row.
    reason = said.strip().splitlines()[0][:200] if said.strip() else ""
    return WorkFailedError(what, reason, "systemctl status postgresql")
