"""What is made of a server's answers that no test server can be brought to give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.connections.database import Connection
from appliance.postgres.sessions.network_checks import _mode, _without_tls, is_loopback
from appliance.postgres.sessions.session_checks import (
    SessionFacts,
    StandbyFacts,
    judge_session,
    judge_standby,
)
from appliance.system.findings import Finding

WELL = SessionFacts(
    version=150018,
    clock_ahead_s=0.1,
    asking_took_s=0.01,
    role="reader",
    superuser=False,
    role_limit=-1,
    free_slots=90,
)
FRESH = StandbyFacts(paused=False, feedback=True, longest_delay="30s", streaming=True, lag_s=0.0)


def finding(check: str, facts: SessionFacts) -> Finding:
    (found,) = [each for each in judge_session(facts, wanted=6) if each.check == check]
    return found


@pytest.mark.parametrize(
    ("version", "state"),
    [(90624, "fail"), (120022, "fail"), (130000, "ok"), (180001, "ok"), (190000, "warn")],
)
def test_a_version_is_supported_or_not(version: int, state: str) -> None:
    assert finding("version", replace(WELL, version=version)).state == state


@pytest.mark.parametrize(
    ("ahead", "took", "state"), [(1.9, 0.0, "ok"), (2.1, 0.0, "warn"), (-300, 0.0, "warn"), (5, 4, "ok")]
)
def test_clocks_agree_or_not_as_far_as_can_be_told(ahead: float, took: float, state: str) -> None:
    facts = replace(WELL, clock_ahead_s=ahead, asking_took_s=took)
    assert finding("clock", facts).state == state


def test_a_server_without_a_session_to_give_is_warned_of() -> None:
    assert finding("sessions", replace(WELL, free_slots=5)).state == "warn"
    assert finding("sessions", replace(WELL, free_slots=6)).state == "ok"


@pytest.mark.parametrize(
    ("facts", "state", "said"),
    [
        (None, "ok", "primary"),
        (FRESH, "ok", "0 s behind"),
        (replace(FRESH, lag_s=59), "ok", "59 s behind"),
        (replace(FRESH, lag_s=7200), "warn", "120 min behind"),
        (replace(FRESH, lag_s=7200, streaming=False), "warn", "not connected to its primary"),
        (replace(FRESH, paused=True), "warn", "paused"),
        (replace(FRESH, feedback=False), "warn", "max_standby_streaming_delay 30s"),
    ],
)
def test_a_standby_is_as_fresh_as_it_is(facts: StandbyFacts | None, state: str, said: str) -> None:
    found = judge_standby("production", facts)
    assert found.state == state
    assert said in found.what


@pytest.mark.parametrize(
    ("sslmode", "spoken", "local", "state"),
    [
        ("verify-full", True, False, "ok"),
        ("verify-ca", True, False, "warn"),
        ("require", True, False, "warn"),
        ("prefer", True, False, "warn"),
        ("disable", True, False, "warn"),
        ("disable", True, True, "ok"),
        ("prefer", False, False, "warn"),
        ("prefer", False, True, "ok"),
        ("require", False, True, "fail"),
    ],
)
def test_what_crosses_a_network_should_be_encrypted_and_proven(
    sslmode: str, spoken: bool, local: bool, state: str
) -> None:
    entry = {"host": "db.internal", "dbname": "shop", "user": "reader", "sslmode": sslmode}
    if sslmode.startswith("verify"):
        entry["sslrootcert"] = "/ca.pem"
    connection = Connection.model_validate(entry)
    if spoken:
        found = _mode("production", connection, "TLSv1.3", local=local)
    else:
        found = _without_tls("production", connection, local=local)
    assert found.state == state


def test_addresses_of_this_machine_are_known_as_such() -> None:
    assert is_loopback(["127.0.0.1", "::1"])
    assert not is_loopback(["127.0.0.1", "10.0.0.1"])
    assert not is_loopback(["fe80::1%eth0"])
