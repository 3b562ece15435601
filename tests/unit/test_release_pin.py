"""``appliance release pin``: one value of policy.yaml changes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.policy.pinning import with_pin
from appliance.policy.policy import load_policy
from tests.unit.test_cli_main import run

WAYS = {
    "nothing": "",
    "only a comment": "# ours\n",
    "no updates": "read: [production]  # the source\n",
    "no line end": "read: [production]",
    "a flow mapping": 'updates: {channel: stable, pin: null, window: "Sat 02:00-05:00"}  # nights\n',
    "a flow mapping without it": "updates: {channel: stable}\nread: [a]\n",
    "an empty flow mapping": "updates: {}\nread: [a]\n",
    "a block": "updates:\n  # why\n  pin: '1.0.0'   # for now\n  channel: stable\nread: [a]\n",
    "a block without it": "updates:\n    channel: stable\nread: [a]\n",
    "an empty pin": "updates:\n  pin:\n  channel: stable\n",
    "all in braces": "{read: [a]}\n",
}


@pytest.mark.parametrize("version", ["1.2.0", "1.10", None])
@pytest.mark.parametrize("way", sorted(WAYS))
def test_only_the_pin_changes_however_the_policy_is_written(
    way: str, version: str | None, tmp_path: Path
) -> None:
    text = WAYS[way]
    path = tmp_path / "policy.yaml"
    path.write_text(with_pin(text, version, "policy.yaml"))
    policy = load_policy(path)
    assert policy.updates.pin == version
    assert policy.read == (("production",) if "production" in text else ("a",) if "[a]" in text else None)
    for comment in ("# ours", "# the source", "# nights", "# why", "# for now"):
        assert (comment in text) == (comment in path.read_text())


def test_the_command_writes_shows_and_takes_away(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("read: [production]\n")
    policy.chmod(0o640)
    where = {"APPLIANCE_CONFIG_DIR": str(tmp_path)}
    assert "No release is pinned" in run("release", "pin", **where).stdout
    assert "may move to 9.9.9 and to no other" in run("release", "pin", "9.9.9", **where).stdout
    assert load_policy(policy).updates.pin == "9.9.9"
    assert policy.stat().st_mode & 0o777 == 0o640
    assert "No release is pinned" in run("release", "pin", "--none", **where).stdout
    wrong = run("release", "pin", "newest", **where)
    assert wrong.returncode == 2 and "names no release" in wrong.stderr


def test_an_updates_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(WrongRequestError):
        with_pin("updates: [1]\n", "1.2.0", "policy.yaml")
