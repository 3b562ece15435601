"""Whether Airflow's metadata is as the installed Airflow wants it, without asking Airflow for ten seconds.

What is remembered after a migration is the version of Airflow and the schema version that the database had
then. Any other of either, as after an update or a restored copy, and Airflow is asked again.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import psycopg

from appliance.durable import write_file
from appliance.settings.settings import Settings
from appliance.store.database import connect

_SCHEMA = "SELECT string_agg(version_num, ',' ORDER BY version_num) AS version FROM alembic_version"


def is_up_to_date(settings: Settings) -> bool:
    """Whether this very Airflow has migrated this very database, and no one has since."""
    try:
        remembered = json.loads(_file(settings).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(remembered == _facts(settings))


def remember(settings: Settings) -> None:
    """Note what the database has after a migration. Without the note, it is only migrated again."""
    facts = _facts(settings)
    if facts is not None:
        write_file(_file(settings), json.dumps(facts), durable=False, mode=0o600)


def _file(settings: Settings) -> Path:
    return settings.state_dir / "airflow" / "migrated.json"


def _facts(settings: Settings) -> dict[str, str] | None:
    try:
        with connect(settings.airflow_database_url, read_only=True) as connection:
            row = connection.execute(_SCHEMA).fetchone()
    except psycopg.Error:
        return None
    schema = row["version"] if row else None
    return (
        {"airflow": importlib.metadata.version("apache-airflow-core"), "schema": schema} if schema else None
    )
