"""At a move the scheduler and the api-server have the processor to themselves; others begin after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.system import units
from appliance.system.units import API_SERVER, PREPARE, SCHEDULER
from tests.unit.fake_systemctl import put_systemctl

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down what it is asked: of two starts it looks at, one takes a look longer."""
    script = (
        f"echo $* >> {tmp_path}/asked\ntest $1 = show || exit 0\n"
        f"echo >> {tmp_path}/looks\n"
        f"test $(wc -l < {tmp_path}/looks) -gt 1 && echo running || echo start; echo\n"
        f"test $(wc -l < {tmp_path}/looks) -gt 2 && echo running || echo start\n"
    )
    put_systemctl(tmp_path, script, monkeypatch)
    monkeypatch.setattr(units, "_FIRST_POLL_S", 0.0)
    return tmp_path / "asked"


def test_both_begin_when_all_is_prepared_and_are_waited_for(systemd: Path) -> None:
    units.start_scheduler_first()
    prepared, begun, *looks = systemd.read_text().splitlines()
    assert prepared == f"start {PREPARE}"
    assert begun == f"start --no-block --job-mode=ignore-dependencies {API_SERVER} {SCHEDULER}"
    assert looks == [f"show --property=SubState --value {API_SERVER} {SCHEDULER}"] * 3


def test_no_other_service_waits_for_a_scheduler_that_has_crashed(systemd: Path) -> None:
    program = systemd.parent / "bin" / "systemctl"
    program.write_text(program.read_text().replace("echo start\n", "echo auto-restart\n"))
    units.start_scheduler_first()
    assert len(systemd.read_text().splitlines()) == 3


def test_a_scheduler_that_takes_long_holds_up_the_others_no_longer(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "_FIRST_WITHIN_S", 0.0)
    units.start_scheduler_first()
    assert len(systemd.read_text().splitlines()) == 2


def test_only_a_release_that_says_so_is_started_like_that(tmp_path: Path) -> None:
    assert units.begins_beside_the_api_server(UNITS)
    assert not units.begins_beside_the_api_server(tmp_path)
    text = (UNITS / SCHEDULER).read_text()
    (tmp_path / SCHEDULER).write_text(text.replace("X-BeginsBeside=", "# X-BeginsBeside="))
    assert not units.begins_beside_the_api_server(tmp_path)
