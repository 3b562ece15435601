"""Root backs up and restores what a lesser user owns, and follows no link that this user has made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.machines import Machine, NewMachine
from tests.lesser_user import LESSER, everything, give, put_link, secret_of_root, world

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it is root that must not follow")


@pytest.fixture
def machine(new_machine: NewMachine) -> Iterator[Machine]:
    """A fresh machine whose state belongs to a user with no rights."""
    made = new_machine()
    with world() as folder:
        moved = Machine(made.cluster, folder / "machine", made.airflow, made.appliance)
        moved.write("state/keys/mask.key", bytes(32), 0o600)
        moved.write("state/workflows/cloud.json", "{}")
        give(moved.folder / "state")
        yield moved


def test_what_is_restored_belongs_to_the_user_of_the_state(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "backup.age"
    assert machine.backup("create", file).code == 0
    (machine.folder / "state" / "keys" / "mask.key").write_bytes(b"\1" * 32)
    (machine.folder / "state" / "workflows" / "other.json").write_text("{}")
    restored = machine.backup("restore", file)
    assert restored.code == 0, restored.text
    assert (machine.folder / "state" / "keys" / "mask.key").read_bytes() == bytes(32)
    assert not (machine.folder / "state" / "workflows" / "other.json").exists()
    owners = {path.lstat().st_uid for path in (machine.folder / "state").rglob("*")}
    assert owners == {LESSER}


@pytest.mark.parametrize("name", ["workflows", "restore", "before-restore"])
def test_a_restore_is_refused_before_anything_changes_where_a_link_lies(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "backup.age"
    assert machine.backup("create", file).code == 0
    outside = secret_of_root(machine.folder / "outside")
    (outside / "staged").mkdir()
    put_link(machine.folder / "state" / name, outside)
    before = everything(outside)
    restored = machine.backup("restore", file)
    assert restored.code == 2
    assert f"state/{name} is a link" in restored.err
    assert f"Next: ls -l {machine.folder}/state/{name}; rm " in restored.err
    assert everything(outside) == before


def test_a_restore_stops_at_a_link_that_is_put_there_once_it_has_begun(
    machine: Machine, tmp_path: Path
) -> None:
    """Only the folder of keys is a link: that is seen when the first key is put in place, without harm."""
    file = tmp_path / "backup.age"
    assert machine.backup("create", file).code == 0
    outside = secret_of_root(machine.folder / "outside")
    put_link(machine.folder / "state" / "keys", outside)
    before = everything(outside)
    restored = machine.backup("restore", file)
    assert restored.code == 1
    assert "Permission denied" in restored.err
    assert f"Next: namei -l {machine.folder}/state/keys/" in restored.err
    assert everything(outside) == before
    (machine.folder / "state" / "keys").unlink()
    again = machine.backup("restore", file)
    assert again.code == 0, again.text
    assert (machine.folder / "state" / "keys" / "mask.key").read_bytes() == bytes(32)
