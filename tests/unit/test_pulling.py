"""Fetching goes on after whatever cuts it off, and ends with the right bytes or with none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import RefusedError, WorkFailedError, WrongRequestError
from appliance.exports.manifest import ExportedFile, Manifest
from appliance.pulling.archive_items import RestoreState, items_of
from appliance.pulling.fetching import fetch_files
from appliance.pulling.from_appliance import checked_url
from appliance.pulling.origin import CutOffError, FoundExport

CONTENT = bytes(range(256)) * 40


class CutOrigin:
    """Sends a file, and breaks off after each of these many bytes."""

    name = "a test"

    def __init__(self, content: bytes, cuts: list[int]) -> None:
        self.content, self.cuts = content, list(cuts)
        self.sent = 0

    def exports(self) -> list[FoundExport]:
        return []

    def manifest(self, run: str) -> Manifest:
        raise AssertionError(run)

    def read(self, run: str, file: str, start: int, sha256: str) -> Iterator[bytes]:
        end = start + self.cuts.pop(0) if self.cuts else len(self.content)
        for place in range(start, min(end, len(self.content)), 97):
            block = self.content[place : min(place + 97, end)]
            self.sent += len(block)
            yield block
        if end < len(self.content):
            raise CutOffError("the connection broke")


def listed(content: bytes = CONTENT) -> ExportedFile:
    return ExportedFile(
        file="archive/toc.dat", bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


@given(st.lists(st.integers(1, 4000), max_size=6))
def test_each_byte_is_fetched_once_however_often_it_is_cut_off(cuts: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        origin = CutOrigin(CONTENT, cuts)
        steps: list[int] = []
        came = fetch_files(origin, "r", [listed()], Path(folder), steps.append, wait=lambda _: None)
        assert (Path(folder) / "archive" / "toc.dat").read_bytes() == CONTENT
        assert came == origin.sent == sum(steps) == len(CONTENT)


def test_it_gives_up_where_it_comes_no_further_and_keeps_what_came(tmp_path: Path) -> None:
    waits: list[float] = []
    with pytest.raises(WorkFailedError, match="the connection broke"):
        fetch_files(
            CutOrigin(CONTENT, [500, *[0] * 50]), "r", [listed()], tmp_path, lambda _: None, wait=waits.append
        )
    assert len(waits) >= 5
    assert (tmp_path / "archive" / "toc.dat.part").read_bytes() == CONTENT[:500]
    resumed = CutOrigin(CONTENT, [])
    fetch_files(resumed, "r", [listed()], tmp_path, lambda _: None)
    assert resumed.sent == len(CONTENT) - 500


@pytest.mark.parametrize("sent", [CONTENT + b"x", CONTENT[:-1] + b"\0"], ids=["longer", "other"])
def test_what_is_not_as_listed_is_thrown_away(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(WorkFailedError, match="not what the manifest says"):
        fetch_files(CutOrigin(sent, []), "r", [listed()], tmp_path, lambda _: None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_that_is_there_is_not_fetched_and_one_that_was_changed_is(tmp_path: Path) -> None:
    fetch_files(CutOrigin(CONTENT, []), "r", [listed()], tmp_path, lambda _: None)
    again = CutOrigin(CONTENT, [])
    assert fetch_files(again, "r", [listed()], tmp_path, lambda _: None) == again.sent == 0
    (tmp_path / "archive" / "toc.dat").write_bytes(CONTENT[:-1] + b"\0")
    assert fetch_files(again, "r", [listed()], tmp_path, lambda _: None) == len(CONTENT)


def test_a_full_disk_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    huge = listed().model_copy(update={"bytes": 1 << 60})
    origin = CutOrigin(CONTENT, [])
    with pytest.raises(WorkFailedError, match="not enough room"):
        fetch_files(origin, "r", [huge], tmp_path, lambda _: None)
    assert origin.sent == 0


def test_what_is_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    class Refusing(CutOrigin):
        def read(self, run: str, file: str, start: int, sha256: str) -> Iterator[bytes]:
            self.sent += 1
            raise RefusedError("This token is not good any more.")

    origin = Refusing(CONTENT, [])
    with pytest.raises(RefusedError):
        fetch_files(origin, "r", [listed()], tmp_path, lambda _: None)
    assert origin.sent == 1


@pytest.mark.parametrize(
    "url", ["http://appliance.corp", "ftp://x", "https://u:p@x", "https://x?token=1", "https://x:y", "x"]
)
def test_a_token_goes_to_no_address_that_others_can_listen_to(url: str) -> None:
    with pytest.raises(WrongRequestError):
        checked_url(url)
    assert checked_url("http://127.0.0.1:8642/") == "http://127.0.0.1:8642"


def test_a_restore_is_followed_by_rows_and_objects() -> None:
    items = items_of(
        [
            "; Archive created at 2026-11-28",
            ";     Dumped from database version: 13.23 (Debian 13.23-1)",
            ";     Dumped by pg_dump version: 18.6",
            "3; 3079 16500 EXTENSION - citext ",
            "215; 1259 16386 TABLE public customer owner",
            "3345; 0 16386 TABLE DATA public customer owner",
        ]
    )
    assert (items.count, items.tables, items.extensions) == (3, {"3345": "public.customer"}, ("citext",))
    assert items.server == 13
    state = RestoreState(items, {"public.customer": 500})
    for line in (
        "pg_restore: processing item 215 TABLE customer",
        "pg_restore: launching item 3345 TABLE DATA customer",
        "pg_restore: finished item 3345 TABLE DATA customer",
        "pg_restore: finished item 3345 TABLE DATA customer",
    ):
        state.line(line)
    assert (len(state.done), state.done_rows) == (2, 500)
