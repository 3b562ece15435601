"""A source, a place for its twin, a workflow, and the command line that runs it, as an author would.

Passwords and some values in rows are canaries: none of them may show in anything that is printed or written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from appliance.system.postgres_programs import PG_DUMP_VARIABLE, PG_RESTORE_VARIABLE
from tests.engine.clusters import Cluster
from tests.engine.ready_commands import WITHIN_S, run_command

PROGRAM_VARIABLES = (PG_DUMP_VARIABLE, PG_RESTORE_VARIABLE)
CANARY = "canary-value-4711"
SHOP = f"""
CREATE SCHEMA crm;
CREATE TABLE crm.customer (
    id int PRIMARY KEY, email text NOT NULL UNIQUE, full_name text NOT NULL, phone text, notes text
);
CREATE TABLE public.invoice (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES crm.customer, created_at timestamptz NOT NULL,
    total numeric(10,2) NOT NULL
);
CREATE TABLE public.audit_log (id int, what text);
INSERT INTO crm.customer
    SELECT i, 'person' || i || '@{CANARY}.example', 'Person {CANARY} ' || i,
        '+43 1 555 ' || lpad(i::text, 4, '0'),
        CASE WHEN i % 3 = 0 THEN '{CANARY}' END FROM generate_series(1, 300) AS i;
INSERT INTO public.invoice
    SELECT i, 1 + i % 300, now() - i * interval '1 hour', i * 1.5 FROM generate_series(1, 3000) AS i;
INSERT INTO public.audit_log VALUES (1, '{CANARY}');
GRANT USAGE ON SCHEMA crm, public TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA crm, public TO reader;
ANALYZE;
"""
WORKFLOW: dict[str, Any] = {
    "id": "staging-twin",
    "source": "production",
    "tables": {"include": ["public.*", "crm.*"], "exclude": ["public.audit_*"]},
    "masks": {
        "crm.customer.email": "email",
        "crm.customer.full_name": "full_name",
        "crm.customer.phone": "phone",
        "crm.customer.notes": "null",
    },
    "keep": ["crm.customer.id", "public.invoice.*"],
    "deliver": [{"twin": {"connection": "staging", "grace_s": 0}}],
    "limits": {"parallel": 2, "retries": 0, "lock_timeout_s": 2},
}


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that was printed."""
        return self.out + self.err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Scenario:
    """One workflow between two databases."""

    def __init__(
        self, folder: Path, source: Cluster, source_database: str, target: Cluster, twin: str
    ) -> None:
        self.folder = folder
        self.source, self.source_database = source, source_database
        self.target, self.twin = target, twin
        self.state = folder / "state"
        self.runtime = folder / "runtime"
        self.runtime.mkdir()
        self.workflow: dict[str, Any] = json.loads(json.dumps(WORKFLOW))
        self.policy: dict[str, Any] | None = None
        self.environment_changes: dict[str, str] = {}
        self.objects_at_first = self.source_objects()
        self.connections: dict[str, dict[str, Any]] = {
            "production": {**source.connection(source_database, "reader"), "connect_timeout": 3},
            "staging": {**target.connection(twin, "twin_owner"), "connect_timeout": 3},
        }

    def write(self) -> list[str]:
        """Write the documents; returns the command line's arguments that name them."""
        files = {"workflow": self.workflow, "connections": self.connections, "policy": self.policy}
        for name, document in files.items():
            if document is not None:
                path = self.folder / f"{name}.yaml"
                path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
                path.chmod(0o600)
        arguments = [
            str(self.folder / "workflow.yaml"),
            "--connections",
            str(self.folder / "connections.yaml"),
        ]
        if self.policy is not None:
            arguments += ["--policy", str(self.folder / "policy.yaml")]
        return [*arguments, "--state", str(self.state)]

    def start(self, command: str = "run", *options: str) -> subprocess.Popen[str]:
        """Start ``appliance COMMAND`` with the written documents, and go on beside it."""
        return subprocess.Popen(
            [sys.executable, "-m", "appliance.cli.main", command, *self.write(), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, command: str = "run", *options: str, timeout: float = WITHIN_S) -> Ended:
        """Run ``appliance COMMAND`` to its end; the canaries must not show."""
        return self.command(command, *self.write(), *options, timeout=timeout)

    def command(self, *arguments: str, timeout: float = WITHIN_S) -> Ended:
        """Run ``appliance`` with these arguments to its end; the canaries must not show."""
        done = run_command(arguments, self.environment, timeout=timeout)
        return self._checked(Ended(done.returncode, done.stdout, done.stderr))

    def finish(self, process: subprocess.Popen[str], *, timeout: float = 300) -> Ended:
        """Wait for a started command."""
        out, err = process.communicate(timeout=timeout)
        return self._checked(Ended(process.returncode, out, err))

    def _checked(self, ended: Ended) -> Ended:
        self.assert_no_canary(ended.text)
        return ended

    @property
    def environment(self) -> dict[str, str]:
        """A plain one: this machine's appliance, if it has one, does not matter."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "APPLIANCE_CONFIG_DIR": str(self.folder / "no-config"),
            "APPLIANCE_RUNTIME_DIR": str(self.runtime),
            **{name: os.environ[name] for name in PROGRAM_VARIABLES if name in os.environ},
            **self.environment_changes,
        }

    def source_objects(self) -> list[tuple[Any, ...]]:
        """What there is on the source: relations, functions and roles."""
        return self.source_rows(
            "SELECT (SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE relkind <> 't'),"
            " (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_authid)"
        )

    def twin_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the twin."""
        return self.target.rows(self.twin, query)

    def source_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the source."""
        return self.source.rows(self.source_database, query)

    def publish_first_twin(self) -> None:
        """Have a former twin, made by a run of the workflow as it should be."""
        ended = self.run()
        assert ended.code == 0, ended.text
        self.target.sql(self.twin, "CREATE TABLE public.former ()")

    def twin_is_the_former(self) -> bool:
        """Whether the twin that was published first is in place."""
        return self.twin_rows("SELECT to_regclass('public.former') IS NOT NULL") == [(True,)]

    def assert_no_canary(self, *texts: str) -> None:
        """No password and no value of a row in the texts, nor in any file that the run has left."""
        known = self.connections.values()
        passwords = {entry.get("password") or entry["secret_access_key"] for entry in known} - {"changeme"}
        secrets = [CANARY, *self.source.passwords.values(), *self.target.passwords.values(), *passwords]
        for path in self.state.rglob("*"):
            if path.is_file() and "keys" not in path.parts:
                texts = (*texts, path.read_text(errors="replace"))
        for secret in secrets:
            assert not any(secret in text for text in texts), "something that must not be shown"

    def assert_nothing_left(self, *, databases: Sequence[str] = ()) -> None:
        """No session, no object on either server but what was there, and no secret on this machine."""
        prefix = self.workflow["id"]
        assert self.source.sessions(prefix) == []
        assert self.target.sessions(prefix) == []
        ours = {name for name in self.target.databases() if name.startswith(self.twin)}
        assert ours <= {self.twin, f"{self.twin}__prev", *databases}, ours
        assert self.source_objects() == self.objects_at_first
        assert [path for path in self.runtime.rglob("*") if path.is_file()] == []
