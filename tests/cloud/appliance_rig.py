"""An appliance's half of talking to the dashboard, over a real database of its own, moved turn by turn."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml
from psycopg.types.json import Jsonb

from appliance.cloud.client import DashboardClient
from appliance.cloud.enrolment import Identity, enrol
from appliance.cloud.reporter import Reporter
from appliance.settings.settings import Settings, load_settings
from appliance.status.state import State
from appliance.store.database import Connection, connect, migrate
from appliance.store.events import append_event
from appliance.store.runs import RunStore

POLICY: dict[str, Any] = {
    "workflows_from_cloud": True,
    "read": ["production"],
    "write": ["staging"],
    "always_mask": ["*.*.ssn"],
    "keep_from_cloud": ["public.*.id"],
}
WORKFLOW: dict[str, Any] = {
    "id": "staging-twin",
    "title": "Nightly staging twin",
    "schedule": None,
    "source": "production",
    "tables": {"include": ["public.*"]},
    "masks": {"public.customer.email": "email"},
    "keep": ["public.*.id"],
    "unlisted": "halt",
    "deliver": [{"twin": {"connection": "staging"}}],
}
BEATS_EVERY_S = 0.25
"""The dashboard refuses heartbeats that come faster for long, and whom it refuses waits."""


class ApplianceRig:
    """One appliance in a folder, with a database of its own and no Airflow."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        for name in ("etc/workflows", "state", "run"):
            (folder / name).mkdir(parents=True)
        self.environment = {
            "APPLIANCE_CONFIG_DIR": str(folder / "etc"),
            "APPLIANCE_STATE_DIR": str(folder / "state"),
            "APPLIANCE_RUNTIME_DIR": str(folder / "run"),
            "APPLIANCE_DATABASE_URL": database_url,
            "APPLIANCE_AIRFLOW_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
            "APPLIANCE_AIRFLOW_EXECUTION_API_URL": "http://127.0.0.1:9/execution/",
        }
        self.write_policy(POLICY)
        migrate(database_url)
        self.db: Connection = connect(database_url)
        self.store = RunStore(database_url)
        self.reporter = self.new_reporter()

    @property
    def settings(self) -> Settings:
        config = self.folder / "appliance.yaml"
        config.write_text("{}\n")
        return load_settings(config, self.environment)

    @property
    def process_environment(self) -> dict[str, str]:
        """For a process of its own."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("APPLIANCE_")}
        return kept | self.environment | {"APPLIANCE_CONFIG": str(self.folder / "appliance.yaml")}

    @property
    def workflow_folder(self) -> Path:
        return self.folder / "state" / "workflows"

    def new_reporter(self) -> Reporter:
        """As after a restart: it knows only what was kept."""
        settings = self.settings
        return Reporter(settings, State(settings))

    def restart(self) -> None:
        self.reporter.background.stop()
        self.reporter = self.new_reporter()

    def write_policy(self, policy: dict[str, Any]) -> None:
        (self.folder / "etc" / "policy.yaml").write_text(yaml.safe_dump(policy))

    def enrol(self, url: str, token: str) -> Identity:
        client = DashboardClient(url, version="1.0.0")
        try:
            return enrol(client, token, self.settings.identity_file, version="1.0.0")
        finally:
            client.close()

    def tell(self, kind: str, run_id: str | None, payload: dict[str, Any]) -> int:
        """An event as another release may have written it: the sender sees whether it fits the contract."""
        with self.db.transaction():
            number = append_event(self.db, None)
            self.db.execute(
                "INSERT INTO appliance.event (seq, kind, run_id, payload) VALUES (%s, %s, %s, %s)",
                [number, kind, run_id, Jsonb(payload)],
            )
            return number

    def tell_run(self, run_id: str, *, progress: int = 3) -> None:
        """The events of one whole run."""
        self.tell(
            "run_started", run_id, {"workflow": "staging-twin", "trigger": "schedule", "origin": "cloud"}
        )
        for rows in range(progress):
            self.tell(
                "progress", run_id, {"step": "copy", "table": "public.customer", "rows": rows, "bytes": 9}
            )
        self.tell(
            "run_finished",
            run_id,
            {"workflow": "staging-twin", "outcome": "succeeded", "seconds": 1.5, "rows": 7},
        )

    def beat_now(self) -> None:
        """Let the next turn send a heartbeat, as after its time has passed."""
        self.reporter._next_beat = 0.0

    def is_done_trying(self) -> None:
        """Let the next turn try again at once, as after its wait has passed."""
        for backoff in (self.reporter._beat, self.reporter._events, self.reporter._enrol):
            backoff._not_before = 0.0

    def turn_until(self, happened: Callable[[], Any], *, seconds: float = 300) -> Any:
        """Turn, without waiting for any back-off, until something has happened. A limit for hanging only."""
        give_up = time.monotonic() + seconds
        next_beat = 0.0
        while True:
            self.is_done_trying()
            if time.monotonic() >= next_beat:
                self.beat_now()
                next_beat = time.monotonic() + BEATS_EVERY_S
            self.reporter.turn()
            if value := happened():
                return value
            assert time.monotonic() < give_up, f"it did not happen; {self.reporter.describe()}"
            time.sleep(0.02)

    @property
    def waiting(self) -> int:
        row = self.db.execute("SELECT count(*) AS n FROM appliance.event").fetchone()
        return int(row["n"]) if row else 0

    def send_all(self) -> None:
        self.turn_until(lambda: not self.waiting)


class CloudSide:
    """What an editor does on the dashboard, over its API, for one appliance."""

    def __init__(self, api: httpx.Client, appliance_id: str, enrolment_token: str, store: Path) -> None:
        self.api = api
        self.store = store
        self.appliance_id = appliance_id
        self.enrolment_token = enrolment_token

    def get(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.api.post(path, json=body).raise_for_status().json()

    def command(self, **request: Any) -> str:
        return str(self.post(f"/v1/appliances/{self.appliance_id}/commands", request)["id"])

    def command_state(self, command_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/commands/{command_id}")
        return found

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/appliances/{self.appliance_id}/events?limit=500")
        return found

    @property
    def missing(self) -> int:
        """How many numbers of its events are missing, also those that may still come."""
        with contextlib.closing(sqlite3.connect(self.store)) as store:
            query = "SELECT coalesce(sum(last - first + 1), 0) FROM gap WHERE appliance_id = ?"
            return int(store.execute(query, [self.appliance_id]).fetchone()[0])

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        found = self.get(f"/v1/runs?appliance={self.appliance_id}&limit=500")
        return {run["run_id"]: run for run in found}

    @property
    def appliance(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/appliances/{self.appliance_id}")
        return found
