"""After a restore two machines may hold the same token: only one of them goes on, and the other says so."""

from __future__ import annotations

from pathlib import Path

from appliance.cloud.enrolment import ROTATION_WANTED, load_identity
from tests.cloud.appliance_rig import ApplianceRig
from tests.engine.breakable_proxy import BreakableProxy


def marker(rig: ApplianceRig) -> Path:
    return rig.settings.identity_file.with_name(ROTATION_WANTED)


def test_a_restored_appliance_changes_its_token_and_the_former_machine_is_turned_away(
    enrolled: ApplianceRig,
) -> None:
    file = enrolled.settings.identity_file
    former = file.read_bytes()
    marker(enrolled).touch()
    enrolled.restart()
    enrolled.turn_until(lambda: not marker(enrolled).exists())
    enrolled.turn_until(lambda: enrolled.reporter.describe().last_contact_at)
    restored = load_identity(file)
    assert restored is not None and restored.token.encode() not in former
    file.write_bytes(former)
    enrolled.restart()
    enrolled.turn_until(lambda: enrolled.reporter.describe().problem)
    assert "enrolled again elsewhere" in (enrolled.reporter.describe().problem or "")


def test_nothing_is_told_before_the_token_has_been_changed(
    enrolled: ApplianceRig, proxy: BreakableProxy
) -> None:
    marker(enrolled).touch()
    enrolled.restart()
    former = enrolled.settings.identity_file.read_bytes()
    enrolled.tell_run("mine-1")
    proxy.cut_after(0)
    waiting = enrolled.waiting
    enrolled.reporter.turn()
    assert proxy.cuts == 1
    assert enrolled.waiting == waiting and marker(enrolled).exists()
    assert enrolled.settings.identity_file.read_bytes() == former
    enrolled.turn_until(lambda: enrolled.waiting == 0)
    assert not marker(enrolled).exists()
