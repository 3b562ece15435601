"""What an operator holds a machine to, until it is let go, and how much of the network a release may take."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance.cli.host import release
from appliance.cli.work.host import releases as cli
from appliance.errors import RefusedError
from appliance.policy.policy import Policy
from appliance.releases.held import Held, read_held
from appliance.releases.repository import looking
from appliance.settings.settings import Settings
from tests.unit.release_rig import BODY, Handler, Machine, Vendor, serving

STABLE = ("1.2.0", "1.3.0")

_KIB_PER_S = 256
_TWO_BLOCKS = 2 << 16
"""What may come before the limit is first felt, and what comes last and is waited for by nobody."""


@pytest.fixture
def machine(tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path / "machine").pin(vendor)
    made.bundles.chmod(0o755)
    monkeypatch.setattr(cli, "ROOT", made.root)
    monkeypatch.setattr(cli, "only_root", lambda _: None)
    monkeypatch.setattr(cli, "load_settings", Settings)
    monkeypatch.setattr(cli, "read_policy", lambda _: Policy())
    return made


def said(*arguments: str) -> str:
    done = CliRunner().invoke(release.app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def states(machine: Machine) -> dict[str, str]:
    return {each.version: each.state for each in cli.known_releases(machine.root)}


def test_a_pin_holds_until_unpin_lets_it_go(machine: Machine, vendor: Vendor) -> None:
    assert "Nothing but 1.2.0" in said("pin", "1.2.0")
    with pytest.raises(RefusedError, match=r"pinned to 1\.2\.0: sudo appliance release unpin"):
        cli.imported(vendor.public, "1.3.0")
    assert cli.imported(vendor.public, None) == "1.2.0", "without a version it is the pinned one"
    assert states(machine) == {"1.2.0": "available, pinned", "1.3.0": "available"}
    assert "Nothing is held" in said("unpin")
    assert cli.imported(vendor.public, None) == "1.3.0"
    assert states(machine) == {"1.2.0": "available", "1.3.0": "available"}


def test_unpin_ends_a_hold_too_and_mends_a_file_that_cannot_be_read(machine: Machine) -> None:
    said("pin", "1.2.0")
    said("hold", "--until", "2027-01-04")
    held = read_held(machine.trust.folder)
    assert (held.pin, str(held.until)) == ("1.2.0", "2027-01-04")
    (machine.trust.folder / "held.json").write_text("{")
    said("unpin")
    assert read_held(machine.trust.folder) == Held()


def test_unpin_does_not_let_go_what_policy_pins(
    machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = Policy.model_validate({"updates": {"pin": "1.2.0"}})
    monkeypatch.setattr(cli, "read_policy", lambda _: pinned)
    said("pin", "1.2.0")
    assert "policy.yaml says goes on to hold" in said("unpin")
    with pytest.raises(RefusedError, match=r"stays on 1\.2\.0"):
        cli.imported(vendor.public, "1.3.0")
    assert cli.imported(vendor.public, None) == "1.2.0"


def test_a_server_sees_no_more_taken_of_it_than_kib_per_s(
    tmp_path: Path, machine: Machine, vendor: Vendor
) -> None:
    asked: list[tuple[str, float]] = []

    def noted(_: Handler, path: str) -> bool:
        asked.append((path, time.monotonic()))
        return False

    with serving(vendor.public) as server:
        server.attack = noted
        limited = Settings.model_validate(
            {
                "config_dir": str(tmp_path),
                "releases": {"repository": server.url, "kib_per_s": _KIB_PER_S},
            }
        )
        with looking.server(limited, machine.trust) as source:
            machine.fetch(source)
            machine.look(source)
    bundle = next(at for at, (path, _) in enumerate(asked) if path.endswith(".tar"))
    # What is asked for next shows when the bundle was read; what a socket holds in between shows nothing.
    # It is a least time, which a busy machine only makes longer.
    took = asked[bundle + 1][1] - asked[bundle][1]
    assert took >= (len(BODY) - _TWO_BLOCKS) / (_KIB_PER_S * 1024)
