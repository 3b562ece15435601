"""Passwords that a program prints: one line of it, never shown, and each way in which it can fail."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from appliance.connections import password_command
from appliance.connections.database import Connection
from appliance.connections.file import connections_of, load_connections
from appliance.connections.password_command import password_of, printed_passwords
from appliance.connections.schema import connections_schema
from appliance.documents.problems import WrongDocumentError
from appliance.documents.strict_yaml import load
from appliance.errors import ApplianceError, WorkFailedError, WrongRequestError
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.scrubbing.known import scrubber_of
from appliance.steps.calling.secrets import write_secrets

SECRET = "S3cr3t: of a vault"


def connection(folder: Path, *command: str) -> Connection:
    """As connections.yaml of that folder has it."""
    path = folder / "connections.yaml"
    entry = {"host": "h", "dbname": "d", "user": "u", "password_command": list(command)}
    path.write_text(json.dumps({"shop": entry}))
    path.chmod(0o600)
    return load_connections(path)["shop"]


def python(folder: Path, program: str) -> Connection:
    return connection(folder, sys.executable, "-c", program)


def failure(found: Connection) -> ApplianceError:
    with pytest.raises(ApplianceError) as caught:
        password_of(found)
    assert "S3cr3t" not in caught.value.text()
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[vault, read, 'a b']", ("vault", "read", "a b")),
        ("vault read 'a b'", ("vault", "read", "a b")),
        ("'echo $HOME; id'", ("echo", "$HOME;", "id")),
    ],
)
def test_a_command_is_a_list_or_one_text_that_no_shell_sees(written: str, words: tuple[str, ...]) -> None:
    text = f"a: {{host: h, dbname: d, user: u, password_command: {written}}}\n"
    assert connections_of(load(text, "c.yaml"))["a"].password_command == words


@pytest.mark.parametrize("written", ["[]", "''", '"echo \'x"', "[1, 2]", "{a: b}", "['']"])
def test_what_is_no_command_is_an_error_that_shows_nothing_of_it(written: str) -> None:
    text = f"a: {{host: h, dbname: d, user: u, password_command: {written}}}\n"
    with pytest.raises(WrongDocumentError) as caught:
        connections_of(load(text, "c.yaml"))
    (problem,) = caught.value.problems
    assert "a.password_command" in problem.text()
    assert "echo" not in problem.text()


def test_a_password_beside_its_command_is_an_error() -> None:
    text = "a: {host: h, dbname: d, user: u, password: x, password_command: [y]}\n"
    with pytest.raises(WrongDocumentError, match="both password and password_command"):
        connections_of(load(text, "c.yaml"))


def test_what_the_program_prints_is_the_password_of_sessions_and_steps(tmp_path: Path) -> None:
    found = python(tmp_path, f"print({SECRET!r})")
    assert libpq_parameters(found)["password"] == SECRET
    write_secrets(tmp_path / "secrets", {"shop": found})
    assert (tmp_path / "secrets" / "shop.pgpass").read_text() == "*:*:*:*:S3cr3t\\: of a vault\n"


def test_what_was_printed_is_removed_from_every_text_and_no_repr_shows_it(tmp_path: Path) -> None:
    found = python(tmp_path, f"print({SECRET!r})")
    assert password_of(found) == SECRET
    assert SECRET in printed_passwords()
    assert SECRET not in repr(found)
    assert SECRET not in scrubber_of(tmp_path / "connections.yaml").clean(f"it was {SECRET}, they say")


def test_one_step_asks_once(tmp_path: Path) -> None:
    times = tmp_path / "times"
    found = python(tmp_path, f"open({str(times)!r}, 'a').write('.'); print('x')")
    assert [password_of(found), password_of(found)] == ["x", "x"]
    assert times.read_text() == "."


def test_the_program_does_not_see_the_appliances_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_DATABASE_URL", "postgresql://a:b@c/d")
    monkeypatch.setenv("VAULT_ADDR", "https://vault")
    found = python(
        tmp_path, "import os; print(os.environ.get('APPLIANCE_DATABASE_URL'), os.environ['VAULT_ADDR'])"
    )
    assert password_of(found) == "None https://vault"


@pytest.mark.parametrize("program", ["", "print()", "print('S3cr3t\\nS3cr3t')", "print('\\udcff' * 3)"])
def test_a_program_that_prints_no_line_has_printed_no_password(tmp_path: Path, program: str) -> None:
    assert isinstance(failure(python(tmp_path, program)), WorkFailedError)


def test_bytes_that_are_no_text_are_no_password(tmp_path: Path) -> None:
    assert "no text" in failure(python(tmp_path, "import sys; sys.stdout.buffer.write(b'S3cr3t\\xff')")).why


def test_an_exit_status_is_named_and_the_output_is_not(tmp_path: Path) -> None:
    error = failure(
        python(tmp_path, "import sys; print('S3cr3t'); print('S3cr3t', file=sys.stderr); sys.exit(7)")
    )
    assert "exit status 7" in error.why
    assert "'shop'" in error.what


def test_a_program_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    error = failure(connection(tmp_path, "/nowhere/vault", "S3cr3t"))
    assert isinstance(error, WrongRequestError)
    assert "/nowhere/vault" in error.why


def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_command, "TIMEOUT_S", 1.0)
    child = tmp_path / "child"
    found = connection(tmp_path, "/bin/sh", "-c", f"sleep 600 & echo $! > {child}; wait")
    assert "took longer" in failure(found).what
    pid = int(child.read_text())
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            if b"\nState:\tZ" in Path(f"/proc/{pid}/status").read_bytes():
                raise ProcessLookupError


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as another user")
def test_root_runs_what_another_users_file_names_as_that_user(tmp_path: Path) -> None:
    found = connection(tmp_path, "/usr/bin/id", "-u")
    os.chown(tmp_path / "connections.yaml", 65534, 65534)
    assert password_of(found) == "65534"


def test_an_editor_takes_both_forms() -> None:
    described = connections_schema()["$defs"]["Connection"]["properties"]["password_command"]
    kinds = {each["type"] for each in described["anyOf"]}
    assert {"array", "string"} <= kinds
