"""What the updater makes of a probe: only the unit's fresh answer counts, and whose fault a silence is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.errors import WorkFailedError
from appliance.releases import host, probing
from appliance.settings.settings import load_settings
from tests.unit.fake_systemctl import put_systemctl

SINCE = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PYTHON = Path("/opt/appliance/updater/venv/bin/python")


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down what it is asked; ``answer``, if given, is the probe's."""
    script = (
        f"echo $1 >> {tmp_path}/asked\n"
        f'test "$1" = start || exit 0\ntest -e {tmp_path}/answer || exit 1\n'
        f"cp {tmp_path}/answer {tmp_path}/probe.json\n"
    )
    put_systemctl(tmp_path, script, monkeypatch)
    return tmp_path


def answer(folder: Path, **said: str) -> None:
    (folder / "answer").write_text(json.dumps(said))


def test_a_probe_that_came_through_says_nothing_against_the_release(systemd: Path) -> None:
    answer(systemd, version="2.0")
    assert probing.perform("2.0", systemd) == ""
    assert (systemd / "asked").read_text().split() == ["stop", "start", "reset-failed"]


def test_why_a_probe_failed_is_what_the_release_is_left_for(systemd: Path) -> None:
    answer(systemd, version="2.0", why="In the step plan: no rights.")
    assert probing.perform("2.0", systemd) == "In the step plan: no rights."


def test_an_answer_of_another_release_or_of_an_earlier_probe_is_none(systemd: Path) -> None:
    (systemd / "probe.json").write_text('{"version": "2.0"}')
    assert "ended without an answer" in probing.perform("2.0", systemd)
    answer(systemd, version="1.0")
    assert "ended without an answer" in probing.perform("2.0", systemd)


@pytest.mark.parametrize("made", ["link", "fifo", "nonsense"])
def test_an_answer_that_is_no_plain_file_is_none(
    made: str, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = systemd / "elsewhere"
    real.write_text('{"version": "2.0"}')
    (systemd / "bin" / "systemctl").write_text(
        "#!/bin/sh\n"
        + {
            "link": f"ln -sf {real} {systemd}/probe.json",
            "fifo": f"mkfifo {systemd}/probe.json 2> /dev/null; true",
            "nonsense": f"echo [] > {systemd}/probe.json",
        }[made]
        + "\n"
    )
    assert "ended without an answer" in probing.perform("2.0", systemd)
    assert real.read_text() == '{"version": "2.0"}'


@pytest.mark.parametrize(
    ("database", "dashboard_is_there", "said"),
    [
        ("yes", False, ""),
        ("It answered 422 to a heartbeat.", True, "It answered 422 to a heartbeat."),
        ("It answered 502.", False, ""),
        (None, True, ""),
    ],
)
def test_a_silent_dashboard_is_held_against_the_release_only_if_the_former_one_reaches_it(
    database: str | None, dashboard_is_there: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "CONTACT_WITHIN_S", 0.01)
    monkeypatch.setattr(probing, "ask", lambda *_, **__: database)
    monkeypatch.setattr(probing, "_is_there", lambda _: dashboard_is_there)
    assert probing.lost_contact("", SINCE, PYTHON) == said


def test_a_systemd_that_does_not_answer_is_not_held_against_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the last moments before a reboot, when the update goes on afterwards."""
    all_up = {name: {"ActiveState": "active", "NRestarts": "0"} for name in host._UNITS}
    answers = iter([None, None])

    def states() -> dict[str, dict[str, str]]:
        if next(answers, all_up) is None:
            raise WorkFailedError("systemctl show failed.", "Transport endpoint is not connected")
        return all_up

    monkeypatch.setattr(host, "_states", states)
    monkeypatch.setattr(host, "_POLL_S", 0.0)
    at_once = load_settings(environment={"APPLIANCE_RELEASES_STEADY_SECONDS": "0"})
    assert host.ThisMachine(tmp_path, tmp_path, at_once).unproven() == ""
    assert next(answers, "none is left") == "none is left"
