"""Which libpq the status service uses."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from appliance.status import system_libpq

IMPORTED = (
    "from appliance.status import system_libpq; system_libpq.prefer()\n"
    "import psycopg.pq; print(psycopg.pq.__impl__)"
)


def implementation(**environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PSYCOPG_IMPL"}
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_uses_the_system_s() -> None:
    assert implementation() == "python"


def test_an_operator_s_choice_stands() -> None:
    assert implementation(PSYCOPG_IMPL="binary") == "binary"


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("CFUNCTYPE", lambda _: _fail(MemoryError())),
        ("CDLL", lambda _: _fail(OSError("no such library"))),
    ],
)
def test_where_that_does_not_work_it_uses_what_psycopg_brings(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: object
) -> None:
    monkeypatch.delenv("PSYCOPG_IMPL", raising=False)
    monkeypatch.setattr(ctypes, name, instead)
    system_libpq.prefer()
    assert "PSYCOPG_IMPL" not in os.environ


def _fail(error: Exception) -> None:
    raise error
