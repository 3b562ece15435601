"""What a restore puts where, without the databases."""

from __future__ import annotations

from pathlib import Path

from appliance.backups.restore_files import place_files
from appliance.backups.unpack import Unpacked
from appliance.settings.settings import load_settings


def test_the_firewall_of_another_machine_is_not_put_in_place(tmp_path: Path) -> None:
    """A backup of before has it: with the ssh port of the machine it was made on, and of no other."""
    config = tmp_path / "appliance.yaml"
    config.write_text(f"config_dir: {tmp_path / 'etc'}\nstate_dir: {tmp_path / 'state'}\n")
    rules = tmp_path / "etc" / "firewall.nft"
    rules.parent.mkdir()
    rules.write_text("ours")
    staged = []
    for name in ("firewall.nft", "policy.yaml"):
        (tmp_path / name).write_text("theirs")
        staged.append(Unpacked(f"config/{name}", tmp_path / name, 0o640, "root", "root"))
    placed = place_files(load_settings(config, {}), staged, tmp_path / "former")
    assert placed == [tmp_path / "etc" / "policy.yaml"]
    assert rules.read_text() == "ours"
