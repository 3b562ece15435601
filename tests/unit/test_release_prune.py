"""Old releases go, and none that anybody could need."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.releases import update
from appliance.releases.installed import CURRENT, UPDATER, installed, point
from appliance.releases.lock import STATE
from appliance.releases.prune import mark_used, prune, superfluous
from appliance.settings.settings import Settings, load_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five releases, installed one after the other; the last of them runs."""
    for age, version in enumerate(("1.5", "1.4", "1.3", "1.2", "1.1")):
        release(tmp_path, version, age)
    for link in (CURRENT, UPDATER):
        point(tmp_path, link, "1.5")
    return tmp_path


def release(root: Path, version: str, age: int) -> None:
    folder = root / "releases" / version
    (folder / "venv").mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"step_image": {"tag": f"appliance-step:{version}"}}))
    mark = folder / ".complete"
    mark.touch()
    os.utime(mark, (1_700_000_000 - age, 1_700_000_000 - age))


def settings(root: Path, kept: int = 3, policy: str = "") -> Settings:
    (root / "config").mkdir(exist_ok=True)
    if policy:
        (root / "config" / "policy.yaml").write_text(policy)
    config = root / "appliance.yaml"
    config.write_text(f"config_dir: {root / 'config'}\nreleases: {{kept: {kept}}}\n")
    return load_settings(config, {})


def test_the_longest_unused_go(root: Path) -> None:
    assert superfluous(root, 3, None) == ["1.1", "1.2"]
    assert superfluous(root, 5, None) == superfluous(root, 9, None) == []


def test_use_counts_and_not_the_version(root: Path) -> None:
    """Gone back from 1.5 to 1.1: 1.5 is the one before it now."""
    for version in ("1.5", "1.1"):
        mark_used(root, version)
    for link in (CURRENT, UPDATER):
        point(root, link, "1.1")
    assert superfluous(root, 2, None) == ["1.2", "1.3", "1.4"]


def test_the_pinned_one_and_the_one_before_the_current_one_always_stay(root: Path) -> None:
    assert superfluous(root, 2, "1.1") == ["1.2", "1.3"]
    point(root, UPDATER, "1.2")
    assert superfluous(root, 2, "1.1") == ["1.3"]


def test_a_machine_with_one_release_keeps_it(tmp_path: Path) -> None:
    release(tmp_path, "1.0", 0)
    point(tmp_path, CURRENT, "1.0")
    assert superfluous(tmp_path, 2, None) == []


def test_what_is_removed_is_gone_and_what_was_never_finished_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr("appliance.releases.prune._docker", lambda *words: asked.append(words))
    (root / "releases" / "0.9" / "venv").mkdir(parents=True)
    assert prune(root, settings(root, policy="updates: {pin: '1.1'}")) == ["1.2", "1.3"]
    assert installed(root) == ["1.1", "1.4", "1.5"]
    assert sorted(path.name for path in (root / "releases").iterdir()) == ["1.1", "1.4", "1.5"]
    assert asked == [("image", "rm", f"appliance-step:{version}") for version in ("1.2", "1.3")]


def test_what_is_being_unpacked_is_let_alone(root: Path) -> None:
    (root / "releases" / "1.6").mkdir()
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prune(root, settings(root, kept=9))
    assert (root / "releases" / "1.6").is_dir()


def test_nothing_goes_while_nobody_can_say_what_is_pinned(root: Path) -> None:
    assert prune(root, settings(root, policy="updates: {pin: [")) == []
    assert len(installed(root)) == 5


def test_the_timer_does_not_fail_because_an_operator_moves_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(update, "ROOT", tmp_path)
    monkeypatch.setattr(update.os, "geteuid", lambda: 0)
    monkeypatch.setattr(update, "CLEARED_UP_S", 1.0)
    state = tmp_path / STATE
    state.mkdir()
    holding = f"import fcntl, sys; f = open({str(state / 'lock')!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX)"
    wait = "; print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holding + wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert update.main([]) == 0
        assert update.main(["--use", "2.0"]) == 1
        holder.communicate("")
    assert capsys.readouterr().err.count("Another update is being performed.") == 2


def test_a_move_that_cannot_be_written_down_says_so_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk, for one; here there is no folder at all."""
    monkeypatch.setattr(update, "ROOT", tmp_path / "none")
    monkeypatch.setattr(update.os, "geteuid", lambda: 0)
    assert update.main(["--use", "2.0"]) == 1
    printed = capsys.readouterr().err
    assert "The move cannot be written down: No such file or directory." in printed
    assert "appliance-update.timer carries on within ten minutes" in printed
