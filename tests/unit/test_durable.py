"""Whole files: a reader sees the former one or the new one, and a durable one is on the disk by then."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from appliance.durable import (
    append_line,
    create_file,
    point_link,
    remove_unfinished,
    sync_folder,
    whole_file,
    write_file,
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the kernel, in order: ``sync file``, ``sync folder``, ``replace``, ``link``."""
    seen: list[str] = []

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            if name == "fsync":
                is_folder = stat.S_ISDIR(os.fstat(given[0]).st_mode)
                seen.append("sync folder" if is_folder else "sync file")
            else:
                seen.append(name)
            return real(*given, **named)

        return noted

    for name in ("fsync", "replace", "link"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    return seen


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_durable_write_has_the_content_on_the_disk_before_the_name_and_then_the_name(
    tmp_path: Path, calls: list[str]
) -> None:
    write_file(tmp_path / "token", "secret", durable=True, mode=0o600)
    assert calls == ["sync file", "replace", "sync folder"]
    assert (tmp_path / "token").read_text() == "secret"


def test_a_write_that_need_not_be_durable_waits_for_no_disk(tmp_path: Path, calls: list[str]) -> None:
    write_file(tmp_path / "note", "text", durable=False, mode=0o640)
    assert calls == ["replace"]


def test_a_durable_creation_syncs_content_and_name(tmp_path: Path, calls: list[str]) -> None:
    assert create_file(tmp_path / "key", b"\0\1", durable=True, mode=0o600)
    assert calls == ["sync file", "link", "sync folder"]
    assert (tmp_path / "key").read_bytes() == b"\0\1"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        write_file(tmp_path / "written", "", durable=False, mode=0o644)
        create_file(tmp_path / "created", "", durable=False, mode=0o640)
    finally:
        os.umask(former)
    assert mode_of(tmp_path / "written") == 0o644
    assert mode_of(tmp_path / "created") == 0o640


def test_an_error_while_writing_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_text("former")
    with pytest.raises(RuntimeError), whole_file(path, durable=True, mode=0o600) as file:
        file.write(b"half")
        raise RuntimeError
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("backup", "former")]


def test_text_that_cannot_be_encoded_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_text("former")
    with pytest.raises(UnicodeEncodeError):
        write_file(path, "\ud800", durable=False, mode=0o600)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("document", "former")]


def test_a_name_that_cannot_be_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken" / "by a folder").mkdir(parents=True)
    with pytest.raises(OSError):
        write_file(tmp_path / "taken", "text", durable=False, mode=0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_no_reader_sees_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "document"
    versions = ["a" * 300_000, "b" * 200_000]
    write_file(path, versions[0], durable=False, mode=0o600)
    done = threading.Event()

    def write_on() -> None:
        for number in range(100):
            write_file(path, versions[number % 2], durable=False, mode=0o600)
        done.set()

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write_on) for _ in range(2)]
        while not done.is_set():
            assert path.read_text() in versions
        for writer in writers:
            writer.result()
    assert [each.name for each in tmp_path.iterdir()] == ["document"]


def test_of_many_who_create_one_file_one_wins_and_all_see_its_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "key"
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        return create_file(path, str(number) * 100_000, durable=False, mode=0o600)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert won.count(True) == 1
    assert path.read_text() == str(won.index(True)) * 100_000
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_creation_does_not_follow_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    assert not create_file(tmp_path / "key", "text", durable=False, mode=0o600)
    assert not (tmp_path / "elsewhere").exists()


def test_a_write_replaces_a_link_and_leaves_what_it_led_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "note").symlink_to(tmp_path / "elsewhere")
    write_file(tmp_path / "note", "ours", durable=False, mode=0o600)
    assert not (tmp_path / "note").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_a_write_within_a_held_folder_stays_there_when_another_takes_the_folders_name(
    tmp_path: Path, calls: list[str]
) -> None:
    (tmp_path / "asked").mkdir()
    held = os.open(tmp_path / "asked", os.O_RDONLY | os.O_DIRECTORY)
    try:
        (tmp_path / "asked").rename(tmp_path / "moved")
        (tmp_path / "asked").mkdir()
        write_file(Path("answer"), "text", durable=True, mode=0o644, within=held)
    finally:
        os.close(held)
    assert (tmp_path / "moved" / "answer").read_text() == "text"
    assert list((tmp_path / "asked").iterdir()) == []
    assert calls == ["sync file", "replace", "sync folder"]


def test_root_writes_for_another_owner(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    write_file(tmp_path / "key", "text", durable=False, mode=0o640, owner=(12345, 23456))
    status = (tmp_path / "key").stat()
    assert (status.st_uid, status.st_gid, mode_of(tmp_path / "key")) == (12345, 23456, 0o640)


def test_lines_are_appended_and_the_first_durable_one_syncs_the_new_name(
    tmp_path: Path, calls: list[str]
) -> None:
    path = tmp_path / "deletions.jsonl"
    append_line(path, "one", durable=True, mode=0o600)
    assert calls == ["sync file", "sync folder"]
    append_line(path, "zwei ö", durable=True, mode=0o600)
    assert calls == ["sync file", "sync folder", "sync file"]
    append_line(path, "three", durable=False, mode=0o600)
    assert len(calls) == 3
    assert path.read_text(encoding="utf-8") == "one\nzwei ö\nthree\n"
    assert mode_of(path) == 0o600


def test_lines_of_many_writers_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda n: append_line(path, str(n % 10) * 30_000, durable=False, mode=0o600), range(80))
        )
    lines = path.read_text().splitlines()
    assert len(lines) == 80
    assert all(line == line[0] * 30_000 for line in lines)


def test_a_link_is_led_elsewhere_in_one_step(tmp_path: Path, calls: list[str]) -> None:
    for version in ("1.0", "1.1"):
        point_link(tmp_path / "current", tmp_path / version, durable=True)
        assert (tmp_path / "current").readlink() == tmp_path / version
    assert calls == ["replace", "sync folder"] * 2
    assert [each.name for each in tmp_path.iterdir()] == ["current"]


def test_what_killed_writers_left_is_removed_and_other_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    path.write_text("kept")
    writing = whole_file(path, durable=False, mode=0o600)
    writing.__enter__()
    (left,) = set(tmp_path.iterdir()) - {path}
    (tmp_path / ".reserve.yaml").write_text("foreign")
    remove_unfinished(path)
    assert not left.exists()
    assert {each.name for each in tmp_path.iterdir()} == {"reserve", ".reserve.yaml"}


def test_an_unfinished_file_is_found_by_no_pattern_for_its_target(tmp_path: Path) -> None:
    with whole_file(tmp_path / "workflow.json", durable=False, mode=0o600):
        assert list(tmp_path.glob("*.json")) == []
        assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")
