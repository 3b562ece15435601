"""Whether Airflow's metadata is as the installed Airflow wants it, without asking Airflow for ten seconds.

What is remembered after a migration is the schema version that this version of Airflow made of the database.
Each version of Airflow has one schema, so it holds for that version whenever it comes back, after a way down
too. With any other version of either, as after an update or a restored copy, Airflow is asked again.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import psycopg
from pydantic import TypeAdapter, ValidationError

from appliance.durable import write_file
from appliance.settings.settings import Settings
from appliance.store.database import connect

_SCHEMA = "SELECT string_agg(version_num, ',' ORDER BY version_num) AS version FROM alembic_version"
_KNOWN = TypeAdapter(dict[str, str])


def is_up_to_date(settings: Settings) -> bool:
    """Whether the database has the schema that this version of Airflow has once made of it."""
    schema = _schema(settings)
    return schema is not None and _remembered(settings).get(_installed()) == schema


def remember(settings: Settings) -> None:
    """Note what the database has after a migration. Without the note, it is only migrated again."""
    schema = _schema(settings)
    if schema is not None:
        known = _remembered(settings) | {_installed(): schema}
        write_file(_file(settings), json.dumps(known), durable=False, mode=0o600)


def _remembered(settings: Settings) -> dict[str, str]:
    """Schema by version of Airflow."""
    try:
        return _KNOWN.validate_json(_file(settings).read_bytes())
    except (OSError, ValidationError):
        return {}


def _installed() -> str:
    return importlib.metadata.version("apache-airflow-core")


def _file(settings: Settings) -> Path:
    return settings.state_dir / "airflow" / "migrated.json"


def _schema(settings: Settings) -> str | None:
    """The database's; None where it cannot be asked, or has none yet."""
    try:
        with connect(settings.airflow_database_url, read_only=True) as connection:
            row = connection.execute(_SCHEMA).fetchone()
    except psycopg.Error:
        return None
    return row["version"] if row else None
