"""Which folder a run without the appliance keeps its key and its records in: never shared by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.settings.settings import Settings
from appliance.steps.local.folders import state_folder, state_folders


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / ".local/state/appliance"


@pytest.fixture
def without_an_appliance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """This machine's own usual folder does not matter."""
    settings = Settings.model_validate({})
    object.__setattr__(settings, "state_dir", tmp_path / "no-appliance")
    return settings


def checkout(path: Path) -> Path:
    (path / ".git").mkdir(parents=True)
    (path / "workflows").mkdir()
    return path


def test_two_checkouts_of_one_user_have_two_folders(
    home: Path, tmp_path: Path, without_an_appliance: Settings
) -> None:
    one, other = checkout(tmp_path / "a" / "shop"), checkout(tmp_path / "b" / "shop")
    folders = {state_folder(without_an_appliance, near=place / "workflows") for place in (one, other)}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {home / "checkouts"}
    assert state_folder(without_an_appliance, near=one) in folders
    assert set(state_folders(without_an_appliance)) >= folders
    assert not without_an_appliance.state_dir.exists()


def test_outside_a_checkout_it_is_the_users_own(
    home: Path, tmp_path: Path, without_an_appliance: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert state_folder(without_an_appliance) == home


def test_an_appliance_on_this_machine_has_the_one_that_is_set_for_it(home: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": str(tmp_path / "appliance")})
    assert state_folder(settings, near=checkout(tmp_path / "shop")) == tmp_path / "appliance"
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_root_with_another_users_home_writes_nothing_into_it(
    home: Path, tmp_path: Path, without_an_appliance: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path / "home", 12345, 12345)
    monkeypatch.chdir(tmp_path)
    found = next(folder for folder in state_folders(without_an_appliance)[1:])
    assert not found.is_relative_to(tmp_path)
