"""The archive says how an appliance is, whatever is broken, and holds no canary that was put there."""

from __future__ import annotations

import base64
import json
import re
import stat
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from appliance.contract.step_messages import Failure
from appliance.store.runs import RunStore
from tests.engine.clusters import free_port
from tests.engine.machines import AWKWARD, Machine, NewMachine
from tests.engine.scenario import Ended

KEY = bytes(range(100, 132))
CANARIES = {
    "password": "Corr3ct'Horse\"Batt:ery\\=#%20 staple",
    "short password": "xk7!",
    "unreadable password": "never-parsed,{broken",
    "own database's password": AWKWARD.strip(),
    "host": "db-canary-host.internal",
    "role": "canary_role",
    "dashboard token": "apl_Canary0123456789abcdefghij",
    "status token": "statustokencanaryvalue0000",
    "jwt secret": "jwt-canary-secret-" + "q" * 30,
    "enrolment token": "enrol-canary-4711-abcdef",
    "proxy password": "proxy/p@ss:canary",
    "environment": "environment-canary-token-value",
    "e-mail": "jane.canary@example.org",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "078-05-1120",
    "phone": "+43 664 1234567",
    "address": "203.0.113.77",
    "name in a detail": "Wilhelmina Canaryson",
    "name in an exception": "Ottokar Canaryfeld",
    "name in a condition": "Leopold Canaryhuber",
    "name in a constant": "Adelheid Canarymayr",
    "name in a query": "Zacharias Canarywein",
    "private key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj",
}


def spellings(secret: str) -> set[str]:
    """A secret as it may have been written."""
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
    }


@pytest.fixture(scope="module")
def seeded(new_machine: NewMachine) -> Machine:
    """A machine with canaries wherever one could be."""
    machine = new_machine()
    c = CANARIES
    machine.write_connections(
        {
            "production": {"host": c["host"], "dbname": "shop", "user": c["role"], "password": c["password"]},
            "staging": {"host": "db2", "dbname": "twin", "user": "owner", "password": c["short password"]},
        }
    )
    machine.write("etc/policy.yaml", "read: [production]\nalways_mask: ['*.*.ssn']\n")
    machine.write("etc/workflows/mine.yaml", workflow())
    machine.write(f"etc/workflows/{c['e-mail']}.yaml", "id: other\n")
    machine.write("etc/enrolment-token", c["enrolment token"] + "\n", 0o400)
    proxy = f"http://user:{quote(c['proxy password'], safe='')}@proxy.example:3128"
    machine.write("etc/proxy.env", f'HTTPS_PROXY="{proxy}"\n', 0o600)
    machine.write("state/keys/mask.key", KEY, 0o600)
    machine.write("state/keys/airflow-jwt", c["jwt secret"], 0o600)
    machine.write("state/keys/status-token", c["status token"], 0o600)
    identity = {"url": "https://d.example", "appliance_id": "a", "name": "H", "token": c["dashboard token"]}
    machine.write("state/keys/dashboard.json", json.dumps(identity), 0o600)
    sample = {
        "at": "2026-01-02T03:04:05+00:00",
        "disk_free": 123456789012,
        "memory_free": 5 << 30,
        "load": 0.5,
    }
    machine.write("state/history.jsonl", json.dumps(sample) + "\n")
    machine.write("log/tasks/dag_id=mine/run_id=mine-1/task_id=copy/attempt=1.log", task_log())
    machine.environment |= {"MY_API_TOKEN": c["environment"], "HTTPS_PROXY": proxy}
    store = RunStore(machine.settings.database_url)
    store.run_queued("mine-1", "mine", airflow_run_id="mine-1", origin="local", trigger="operator")
    store.run_started("mine-1")
    failure = Failure(
        step="copy",
        exit_code=1,
        retry=False,
        what=f"It failed: {texts()}",
        why=f"Key (email)=({c['e-mail']})",
    )
    store.run_ended("mine-1", "failed", failure=failure)
    store.close()
    with machine.airflow_database() as airflow:
        airflow.execute(
            'INSERT INTO import_error ("timestamp", filename, stacktrace, bundle_name)'
            " VALUES (now(), 'dags/appliance.py', %s, 'dags-folder')",
            [traceback_text()],
        )
    return machine


def workflow() -> str:
    return (
        "id: mine\nsource: production\nmasks:\n"
        f"  public.a.name: {{mask: constant, value: {CANARIES['name in a constant']}}}\n"
        f"rows:\n  public.a: {{where: \"name = '{CANARIES['name in a condition']}'\"}}\n"
    )


def texts() -> str:
    """Everything that has a shape, or is known, in one line."""
    by_position = ("name in", "unreadable", "own database")
    return " and ".join(value for name, value in CANARIES.items() if not name.startswith(by_position))


def traceback_text() -> str:
    return (
        'Traceback (most recent call last):\n  File "/opt/x/dags/appliance.py", line 7, in <module>\n'
        f"ValueError: no such {CANARIES['name in an exception']}\n  and {CANARIES['name in an exception']}"
    )


def task_log() -> str:
    detail = f"DETAIL:  Key (name)=({CANARIES['name in a detail']}) already exists."
    keys = f"{KEY.hex()} {base64.b64encode(KEY).decode()} {base64.urlsafe_b64encode(KEY).decode()}"
    entries: list[object] = [
        {"timestamp": "2026-01-02T03:04:05Z", "level": "info", "event": f"The step says {texts()}"},
        {"timestamp": "2026-01-02T03:04:05Z", "level": "info", "event": f"ERROR: duplicate key\n{detail}"},
        {"timestamp": "2026-01-02T03:04:06Z", "level": "info", "event": f"Keys: {keys}"},
        {
            "timestamp": "2026-01-02T03:04:07Z",
            "level": "error",
            "event": "Task failed with exception",
            "error_detail": [
                {
                    "exc_type": "ValueError",
                    "exc_value": CANARIES["name in an exception"],
                    "frames": [{"filename": "/opt/x/step_operator.py", "lineno": 7, "name": "execute"}],
                }
            ],
        },
    ]
    plain = f"no JSON at all, with {CANARIES['e-mail']}\n{traceback_text()}\n"
    key = f"-----BEGIN PRIVATE KEY-----\n{CANARIES['private key']}\n-----END PRIVATE KEY-----\n"
    return "".join(json.dumps(entry) + "\n" for entry in entries) + plain + key


def unpacked(file: Path) -> dict[str, str]:
    with tarfile.open(file) as tar:
        found = {}
        for member in tar:
            opened = tar.extractfile(member)
            assert opened is not None and member.mode == 0o600
            found[member.name.removeprefix("appliance-diagnostics/")] = re.sub(
                " +", " ", opened.read().decode()
            )
        return found


def made(machine: Machine, file: Path) -> tuple[Ended, dict[str, str]]:
    """The command, and what it wrote, with no canary in either."""
    ended = machine.cli("diagnostics", "--yes", "--output", file)
    assert ended.code == 0, ended.text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = unpacked(file)
    everything = "\n".join([ended.text, *(f"{name}\n{text}" for name, text in found.items())])
    shown = {
        name: text for name, secret in CANARIES.items() for text in spellings(secret) if text in everything
    }
    assert shown == {}
    for key in (
        KEY.hex(),
        base64.b64encode(KEY).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY).decode(),
    ):
        assert key not in everything
    return ended, found


def test_nothing_that_was_hidden_anywhere_is_in_it_and_what_is_needed_is(
    seeded: Machine, tmp_path: Path
) -> None:
    query = f"SELECT '{CANARIES['name in a query']}', pg_sleep(0)"
    with seeded.database() as busy:
        busy.execute(f"SET application_name = '{CANARIES['e-mail']}'".encode())
        busy.execute(query.encode())
        ended, found = made(seeded, tmp_path / "d.tar.gz")
    assert "Nothing has been sent" in ended.out
    for name, text in found.items():
        assert f"{name} " in ended.out and text.strip(), name
    assert "appliance 0." in found["versions.txt"] and "psycopg" in found["versions.txt"]
    assert "117737 | 5120" in found["machine/history.txt"]
    assert "mine-1" in found["databases/appliance.txt"] and "failed" in found["databases/appliance.txt"]
    assert "dags/appliance.py" in found["databases/airflow.txt"]
    assert (
        "max_wal_size" in found["databases/server.txt"] or "shared_buffers" in found["databases/server.txt"]
    )
    assert "public.a.name / mask: constant" in found["configuration/workflows/local/mine.txt"]
    assert (
        "production | postgres | an address or a name | 5432 | shop" in found["configuration/connections.txt"]
    )
    assert "always_mask - *.*.ssn" in found["configuration/policy.txt"]
    assert "exception of class ValueError" in found["logs/tasks.txt"]
    assert "File step_operator.py, line 7, in execute" in found["logs/tasks.txt"]
    assert (
        "-rw------- | " in found["configuration/files.txt"] and "mask.key" in found["configuration/files.txt"]
    )
    assert "server " in found["containers.txt"]


def test_what_is_broken_is_said_in_its_place_and_the_rest_is_there(
    new_machine: NewMachine, tmp_path: Path
) -> None:
    machine = new_machine()
    machine.environment |= {
        "APPLIANCE_DATABASE_URL": f"host=127.0.0.1 port={free_port()} dbname=none",
        "APPLIANCE_AIRFLOW_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "MY_PASSWORD": CANARIES["environment"],
    }
    broken = f"production: {{host: h, password: {CANARIES['unreadable password']}\n  user: [\n"
    machine.write("etc/connections.yaml", broken, 0o600)
    machine.write("etc/policy.yaml", "read: [\n")
    machine.write(
        "log/tasks/dag_id=x/run_id=y/task_id=z/attempt=1.log",
        f"said {CANARIES['unreadable password']} aloud\n",
    )
    _, found = made(machine, tmp_path / "d.tar.gz")
    for name in ("databases/server.txt", "databases/appliance.txt", "databases/airflow.txt"):
        assert "could not be collected" in found[name] and "does not answer" in found[name]
    assert "(docker ended with status 1)" in found["containers.txt"]
    assert "could not be collected" in found["configuration/connections.txt"]
    assert "versions.txt" in found["contents.txt"] and "aloud" in found["logs/tasks.txt"]


def test_it_is_shown_before_it_is_written_and_nothing_is_overwritten(seeded: Machine, tmp_path: Path) -> None:
    file = tmp_path / "d.tar.gz"
    listed = seeded.cli("diagnostics", "--list", "--output", file)
    assert listed.code == 0 and "databases/airflow.txt" in listed.out
    assert list(tmp_path.iterdir()) == []
    file.touch()
    assert "is there already" in seeded.cli("diagnostics", "--output", file).err
    assert "--output FILE" in seeded.cli("diagnostics", "--output", tmp_path / "none" / "d.tar.gz").err
