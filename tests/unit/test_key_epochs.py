"""Epochs of the mask keys: counted durably, for one user only, and never guessed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.keys.epochs import EPOCHS_FILE, read_epochs, start_epoch


def test_every_source_begins_in_the_first_epoch(tmp_path: Path) -> None:
    assert read_epochs(tmp_path).of("production") == 1


def test_an_epoch_is_started_for_the_sources_that_are_named_and_no_others(tmp_path: Path) -> None:
    start_epoch(tmp_path, ["shop"])
    assert start_epoch(tmp_path, ["shop", "crm"]).of("shop") == 3
    epochs = read_epochs(tmp_path)
    assert (epochs.of("shop"), epochs.of("crm"), epochs.of("other")) == (3, 2, 1)


def test_the_file_is_for_the_owner_of_the_folder_and_nothing_else_is_left(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    if os.geteuid() == 0:
        os.chown(keys, 1234, 1235)
    start_epoch(keys, ["shop"])
    status = (keys / EPOCHS_FILE).stat()
    assert status.st_mode & 0o777 == 0o600
    assert (status.st_uid, status.st_gid) == (keys.stat().st_uid, keys.stat().st_gid)
    assert [path.name for path in keys.iterdir()] == [EPOCHS_FILE]


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    keys, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
    keys.mkdir()
    elsewhere.write_text('{"shop": 7}')
    (keys / EPOCHS_FILE).symlink_to(elsewhere)
    with pytest.raises(WrongRequestError, match="is a link"):
        start_epoch(keys, ["shop"])
    assert elsewhere.read_text() == '{"shop": 7}'


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "keys").symlink_to(tmp_path / "real")
    with pytest.raises(WrongRequestError, match="cannot be opened"):
        start_epoch(tmp_path / "keys", ["shop"])
    assert list((tmp_path / "real").iterdir()) == []


def test_all_who_rotate_at_the_same_time_are_counted(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: start_epoch(tmp_path, ["shop"]), range(20)))
    assert read_epochs(tmp_path).of("shop") == 21


@pytest.mark.parametrize(
    "text", ["", "[]", '{"shop": 0}', '{"shop": "2"}', '{"shop": 1.5}', '{"a b": 2}', "{"]
)
def test_a_file_that_holds_no_epochs_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / EPOCHS_FILE).write_text(text)
    for attempt in (lambda: read_epochs(tmp_path), lambda: start_epoch(tmp_path, ["shop"])):
        with pytest.raises(WrongRequestError, match="does not hold the epochs"):
            attempt()
    assert (tmp_path / EPOCHS_FILE).read_text() == text
