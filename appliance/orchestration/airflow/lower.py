"""Airflow's metadata turned into an older schema, and said in words that the older Airflow knows."""

from __future__ import annotations

import subprocess

import psycopg

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.releases.way_down.borders import BORDERS, values_to_say_otherwise
from appliance.settings.settings import Settings
from appliance.store.database import connect


def lower(settings: Settings, airflow: list[str], schema: str) -> int:
    """Go down to that schema; Airflow's exit status. May be done twice. Raises ApplianceError."""
    if schema not in BORDERS:
        raise WrongRequestError(
            f"{schema} is no schema that this release goes down to.",
            f"It goes down to: {', '.join(BORDERS)}.",
            "appliance release list",
        )
    command = [*airflow, "db", "downgrade", "--to-revision", schema, "--yes"]
    status = subprocess.run(command, check=False).returncode  # noqa: S603
    if status != 0:
        return status
    try:
        with connect(settings.airflow_database_url) as session, session.transaction():
            # A history of years is many rows, and nothing else works on them now.
            session.execute("SET LOCAL statement_timeout = 0")
            for statement in values_to_say_otherwise(schema):
                session.execute(statement.encode())
    except psycopg.Error as error:
        raise WorkFailedError(
            "Airflow's metadata has the older schema, but not yet its words.",
            f"PostgreSQL answered with {error.sqlstate or type(error).__name__}.",
            "Try again.",
        ) from None
    return status
