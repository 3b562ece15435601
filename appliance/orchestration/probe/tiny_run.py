"""The tiny run of a probe: two small tables, masked, from one database of a throwaway server to another.

Everything in it is made here: no document, connection, key or policy of this appliance takes part, and what
the run does is in no ledger, receipt or list of runs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from pydantic import BaseModel, ConfigDict

import appliance
from appliance.connections.buckets import BucketConnection
from appliance.connections.database import Connection
from appliance.contract.step_messages import Failure
from appliance.errors import WorkFailedError
from appliance.keys.keys import KEY_BYTES
from appliance.orchestration.containers.container import RUN_DIR
from appliance.orchestration.containers.inputs import StepInputs
from appliance.orchestration.containers.needs import connections_for, needs_key
from appliance.orchestration.probe.server import ThrowawayServer
from appliance.policy.policy import Policy
from appliance.run_folder import LOOK, RunFile, run_folder
from appliance.settings.settings import Settings
from appliance.steps.calling.call import StepCall
from appliance.steps.calling.secrets import CONTAINER_PATH, write_secrets
from appliance.steps.calling.step_keys import PLANNING, step_settings
from appliance.steps.records.run_files import PLAN
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow

PROBE = "probe"
SERVER = "server"
"""In the probe's folder: the throwaway server's own, with its socket."""
PEOPLE, VISITS = 200, 400
_SOURCE, _TWIN = "probe-source", "probe-twin"
_READER, _OWNER = "probe_reader", "probe_owner"
_SOURCE_DATABASE, _TWIN_DATABASE = "people", "people_twin"
LONGEST_MIN = 20
_ROLES = f"""
CREATE ROLE {_READER} LOGIN;
CREATE ROLE {_OWNER} LOGIN CREATEDB;
"""
_TABLES = f"""
CREATE TABLE person (id integer PRIMARY KEY, email text UNIQUE NOT NULL, full_name text NOT NULL);
CREATE TABLE visit (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person, seen date);
CREATE INDEX visit_seen ON visit (seen);
INSERT INTO person SELECT n, 'person' || n || '@probe.invalid', 'Person ' || n
    FROM generate_series(1, {PEOPLE}) n;
INSERT INTO visit SELECT n, 1 + n % {PEOPLE}, date '2026-01-01' + n % 365 FROM generate_series(1, {VISITS}) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {_READER};
"""  # noqa: S608 - numbers and names of this file
_FOUND = """
SELECT (SELECT count(*) FROM person),
    (SELECT count(*) FROM visit JOIN person ON person.id = visit.person_id),
    (SELECT count(*) FROM person WHERE email LIKE '%@probe.invalid' OR full_name ~ '^Person [0-9]+$')
"""
_DOCUMENT = {
    "id": PROBE,
    "source": _SOURCE,
    "tables": {"include": ["public.*"]},
    "masks": {"public.person.email": "email", "public.person.full_name": "full_name"},
    "keep": ["public.*.id", "public.visit.*"],
    "deliver": [{"twin": {"connection": _TWIN, "grace_s": 0}}],
    "limits": {"parallel": 1, "memory_mb": 256, "run_timeout_min": LONGEST_MIN, "retries": 0},
}


class Probed(BaseModel):
    """What became of the tiny run, as its task writes it down."""

    model_config = ConfigDict(frozen=True)

    failure: Failure | None = None


PROBED = RunFile("probed.json", Probed)
"""In the probe's folder, when its task is over."""


def calls(run_id: str) -> list[StepCall]:
    """The steps of the run, each with its part, in their order."""
    shards, deliveries = {"copy": 0}, {"publish": 0}
    names = ("open_snapshot", "plan", "schema", "copy", "finish", "verify", "attest", "publish")
    return [
        StepCall(run_id, PROBE, name, shard=shards.get(name), delivery=deliveries.get(name)) for name in names
    ]


def folder_of(settings: Settings, airflow_run_id: str) -> Path:
    """The probe's folder: that of a look, which no list of runs has."""
    return run_folder(settings.state_dir, run_id_of(airflow_run_id))


def run_id_of(airflow_run_id: str) -> str:
    """How the probe's folder and containers are called."""
    return f"{LOOK}{PROBE}-{airflow_run_id}"


def spec_of(run_id: str) -> RunSpec:
    """The run as its steps are given it."""
    return RunSpec(
        run_id=run_id,
        workflow=Workflow.model_validate(_DOCUMENT),
        origin="local",
        policy=Policy(),
        created_at=datetime.now(UTC),
        appliance_version=appliance.__version__,
    )


def fill(server: ThrowawayServer) -> None:
    """Make the source. Raises psycopg.Error."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as session:
        session.execute(_ROLES.encode())
        session.execute(f"CREATE DATABASE {_SOURCE_DATABASE}".encode())
    with psycopg.connect(server.conninfo(_SOURCE_DATABASE), autocommit=True) as session:
        session.execute(_TABLES.encode())


def check(server: ThrowawayServer) -> None:
    """Look at the twin itself. Raises WorkFailedError where it is not what was to come, psycopg.Error."""
    with psycopg.connect(server.conninfo(_TWIN_DATABASE)) as session:
        found = session.execute(_FOUND.encode()).fetchone()
    if found != (PEOPLE, VISITS, 0):
        people, visits, unmasked = found or (0, 0, 0)
        raise WorkFailedError(
            "The twin of the probe is not what it should be.",
            f"It has {people} of {PEOPLE} people, {visits} of {VISITS} visits, and {unmasked} unmasked rows.",
        )


@dataclass
class ProbeInputs(StepInputs):
    """What the steps of a probe are given: its own connections, and keys that nothing else has."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)

    def connections_of_workflow(self) -> dict[str, Connection]:
        """Both ends, as containers find them."""
        socket = f"{RUN_DIR}/{SERVER}"
        ends = {_SOURCE: (_SOURCE_DATABASE, _READER), _TWIN: (_TWIN_DATABASE, _OWNER)}
        return {
            name: Connection(host=socket, dbname=dbname, user=user, sslmode="disable")
            for name, (dbname, user) in ends.items()
        }

    def connections_to_reach(self, call: StepCall) -> tuple[dict[str, Connection], dict[str, Connection]]:
        """All there are, and those that this step speaks to."""
        known = self.connections_of_workflow()
        return known, {name: known[name] for name in connections_for(call, self.spec.workflow)}

    def known_buckets(self) -> dict[str, BucketConnection]:
        """None."""
        return {}

    def buckets_of(self, call: StepCall) -> dict[str, BucketConnection]:  # noqa: ARG002
        """None."""
        return {}

    def write_secrets(self, folder: Path, call: StepCall) -> None:
        """Fill the folder of this step's secrets. Raises WorkFailedError."""
        plan = None
        if call.step not in PLANNING and needs_key(call.step):
            plan = PLAN.read(run_folder(self.settings.state_dir, self.spec.run_id))
        keys = step_settings(call.step, self.spec, plan, self.key)
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_secrets(folder, self.connections_to_reach(call)[1], keys, seen_at=CONTAINER_PATH)
        except OSError as error:
            raise WorkFailedError(
                f"The step's secrets could not be written below {self.settings.runtime_dir}.",
                error.strerror or type(error).__name__,
                f"df -h {self.settings.runtime_dir}",
            ) from None
