"""Fetching the files of an export: taken up where it was cut off, each held against its SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.durable import finish_file
from appliance.errors import WorkFailedError
from appliance.exports.manifest import ExportedFile
from appliance.pulling.origin import CutOffError, Origin

PART = ".part"
_BLOCK = 1 << 20
_TRIES = 8
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 20.0


def fetch_files(
    origin: Origin,
    run: str,
    files: Sequence[ExportedFile],
    into: Path,
    on_bytes: Callable[[int], None],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Fetch what is not in the folder already; how many bytes came. ``on_bytes`` gets each step of it.

    Raises our errors; what has come stays, and the same call goes on from there.
    """
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        missing = [each for each in files if not _is_whole(into / each.file, each)]
        for each in files:
            if each not in missing:
                on_bytes(each.bytes)
        _refuse_full_disk(into, missing)
        return sum(_fetch(origin, run, each, into, on_bytes=on_bytes, wait=wait) for each in missing)
    except OSError as error:
        raise WorkFailedError(
            f"The files could not be written to {into}.",
            error.strerror or type(error).__name__,
            f"df -h {into}",
        ) from None


def again(
    what: Callable[[], None], made_progress: Callable[[], bool], wait: Callable[[float], None] = time.sleep
) -> None:
    """Do it until it is done, for as long as each try comes further, and a few times more.

    Raises WorkFailedError when it gives up.
    """
    tries = 0
    while True:
        try:
            what()
            return
        except CutOffError as error:
            tries = 1 if made_progress() else tries + 1
            if tries >= _TRIES:
                raise WorkFailedError(
                    "The files could not be fetched.",
                    f"{error}, {tries} times in a row.",
                    "Run the same command again: it goes on from where it ended.",
                ) from None
            wait(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries))


def _fetch(
    origin: Origin,
    run: str,
    file: ExportedFile,
    into: Path,
    *,
    on_bytes: Callable[[int], None],
    wait: Callable[[float], None],
) -> int:
    path = into / file.file
    part = path.with_name(path.name + PART)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    there = _taken_up(part, file, digest)
    resumed = there
    on_bytes(there)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    last = there
    with os.fdopen(descriptor, "ab", buffering=0) as out:

        def go_on() -> None:
            nonlocal there
            for block in origin.read(run, file.file, there, file.sha256):
                if there + len(block) > file.bytes:
                    raise _damaged(file.file, part)
                digest.update(block)
                out.write(block)
                there += len(block)
                on_bytes(len(block))
            if there < file.bytes:
                raise CutOffError("the connection ended early")

        def came_further() -> bool:
            nonlocal last
            further, last = there > last, there
            return further

        if there < file.bytes or not there:
            again(go_on, came_further, wait)
    if digest.hexdigest() != file.sha256:
        raise _damaged(file.file, part)
    finish_file(part, path, mode=0o600)
    return there - resumed


def _taken_up(part: Path, file: ExportedFile, digest: hashlib._Hash) -> int:
    """How much of it has come before; what is too long is begun anew."""
    try:
        size = part.stat().st_size
    except FileNotFoundError:
        return 0
    if size > file.bytes:
        part.unlink()
        return 0
    with part.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    return size


def _is_whole(path: Path, file: ExportedFile) -> bool:
    try:
        if path.stat().st_size != file.bytes:
            return False
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False


def _refuse_full_disk(into: Path, missing: Sequence[ExportedFile]) -> None:
    needed = sum(each.bytes for each in missing)
    free = shutil.disk_usage(into).free
    if needed > free:
        raise WorkFailedError(
            f"There is not enough room in {into}.",
            f"{needed:,} bytes are to come, and {free:,} are free.",
            f"df -h {into}",
        )


def _damaged(name: str, part: Path) -> WorkFailedError:
    part.unlink(missing_ok=True)
    return WorkFailedError(
        f"{name} is not what the manifest says: it was thrown away.",
        "Its length or its SHA-256 differs.",
        "Run the same command again; if it stays so, the export is damaged, or changed on the way.",
    )
