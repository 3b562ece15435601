"""What becomes of runs and steps, written to the journal in fields."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.orchestration.airflow.listeners.run_listener import RunListener
from appliance.orchestration.airflow.listeners.step_listener import StepListener
from appliance.system import journal

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens as the journal does."""
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        monkeypatch.setattr(journal, "SOCKET", path)
        yield listening


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose database is away: what is written must not depend on it."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("APPLIANCE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("APPLIANCE_DATABASE_URL", "host=127.0.0.1 port=9 dbname=none")


def entry(listening: socket.socket) -> dict[str, str]:
    """An entry as the journal reads it: a name, a length, as many bytes."""
    left = listening.recv(65_536)
    found = {}
    while left:
        name, _, rest = left.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        found[name.decode()] = rest[8 : 8 + size].decode()
        assert rest[8 + size : 9 + size] == b"\n"
        left = rest[9 + size :]
    return found


def test_an_entry_is_taken_whatever_stands_in_it(taken: socket.socket) -> None:
    journal.tell("one\nPRIORITY=0", run="shop-1", workflow="shop", weight="error")
    assert entry(taken) == {
        "MESSAGE": "one\nPRIORITY=0",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "appliance",
        "APPLIANCE_RUN": "shop-1",
        "APPLIANCE_WORKFLOW": "shop",
    }


def test_where_there_is_no_journal_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")
    journal.tell("x", run="shop-1", workflow="shop")


@pytest.mark.usefixtures("host")
def test_the_end_of_a_run_and_of_its_steps_is_told_with_both_their_names(taken: socket.socket) -> None:
    run = SimpleNamespace(dag_id="shop", run_id="manual__2026-03-01T00:00:00+00:00", end_date=NOW)
    RunListener().on_dag_run_failed(run, "")
    ended = entry(taken)
    assert (ended["APPLIANCE_WORKFLOW"], ended["APPLIANCE_STATE"], ended["PRIORITY"]) == (
        "shop",
        "failed",
        "3",
    )
    task = SimpleNamespace(
        dag_id="shop", run_id=run.run_id, task_id="copy", map_index=2, task=SimpleNamespace(), state="failed"
    )
    StepListener().on_task_instance_failed(None, task, ValueError("card 4111111111111111"))
    failed = entry(taken)
    assert (failed["APPLIANCE_RUN"], failed["APPLIANCE_STEP"]) == (ended["APPLIANCE_RUN"], "copy")
    assert failed["MESSAGE"] == f"The step copy 2 of {ended['APPLIANCE_RUN']}: failed."
    assert "4111" not in "".join(failed.values())
