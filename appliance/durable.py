"""Writing files of which a reader sees the former content or all of the new, and nothing in between.

Each call says whether the write survives a power cut:

- ``durable=True``: content and name are on the disk before the call returns. For what cannot be made again:
  keys, tokens, approvals, how far an update or a restore is.
- ``durable=False``: the kernel writes when it likes. After a power cut the file may be the former one, the
  new one, or empty. For notes, indexes and samples that are made anew.

Each call says the file's mode too, whatever the umask is. A file that is being written is called
``.NAME.<random>.new`` and lies beside its target: no two writers meet, in whichever container they run, and
no pattern such as ``*.json`` finds it. Only a kill leaves one behind.

Standard library only, and little of it: the supervisors import this.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_UNFINISHED = ".new"

Owner = tuple[int, int]
"""Numbers of a user and a group."""


def write_file(
    path: Path,
    content: str | bytes,
    *,
    durable: bool,
    mode: int,
    owner: Owner | None = None,
    within: int | None = None,
) -> None:
    """Write a whole file in place of what has its name. Text is UTF-8. Raises OSError.

    ``within`` is a folder that is held open: ``path`` is a name in it then, and no link is followed.
    """
    # Before anything is opened: text that cannot be encoded changes nothing.
    data = _encoded(content)
    with whole_file(path, durable=durable, mode=mode, owner=owner, within=within) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(
    path: Path, *, durable: bool, mode: int, owner: Owner | None = None, within: int | None = None
) -> Iterator[BinaryIO]:
    """A file to write to, which takes its name when the block ends well. After an error nothing is changed.

    The arguments are those of ``write_file``. Raises OSError.
    """
    fresh = _unfinished_name(path)
    try:
        with os.fdopen(os.open(fresh, _CREATE, 0o600, dir_fd=within), "wb") as file:
            yield file
            _complete(file, durable, mode, owner)
        os.replace(fresh, path, src_dir_fd=within, dst_dir_fd=within)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=within)
        raise
    if durable:
        _sync_folder_of(path, within)


def create_file(
    path: Path, content: str | bytes, *, durable: bool, mode: int, owner: Owner | None = None
) -> bool:
    """Create a whole file; False, and nothing is changed, if the name is taken. The first of two wins.

    Raises OSError.
    """
    data = _encoded(content)
    fresh = _unfinished_name(path)
    try:
        with os.fdopen(os.open(fresh, _CREATE, 0o600), "wb") as file:
            file.write(data)
            _complete(file, durable, mode, owner)
        # Unlike a renaming, a link fails where the name is taken.
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
    if durable:
        sync_folder(path.parent)
    return True


def finish_file(unfinished: Path, path: Path, *, mode: int) -> None:
    """Let a file that more than one process may have written take its name, durably. Raises OSError."""
    descriptor = os.open(unfinished, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.replace(path)
    sync_folder(path.parent)


def link_file(path: Path, source: Path) -> bool:
    """Have the file ``source`` under a second name; False where the disk cannot. Raises OSError."""
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def append_line(path: Path, line: str, *, durable: bool, mode: int) -> None:
    """Append one line in one write; ``mode`` is for a file that is made by it. Raises OSError."""
    try:
        descriptor, is_new = os.open(path, _APPEND), False
    except FileNotFoundError:
        descriptor, is_new = os.open(path, _APPEND | os.O_CREAT, mode), True
    try:
        rest = memoryview(f"{line}\n".encode())
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if durable and is_new:
        sync_folder(path.parent)


def point_link(path: Path, target: Path, *, durable: bool) -> None:
    """Lead the link ``path`` to ``target`` in one step: at no moment is it missing. Raises OSError."""
    fresh = _unfinished_name(path)
    try:
        fresh.symlink_to(target)
        fresh.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(path: Path) -> None:
    """Remove what killed writers of ``path`` left. Its only writer may do so. Raises OSError."""
    for entry in os.scandir(path.parent):
        if entry.name.startswith(f".{path.name}.") and entry.name.endswith(_UNFINISHED):
            Path(entry.path).unlink(missing_ok=True)


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _unfinished_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(6).hex()}{_UNFINISHED}")


def _complete(file: BinaryIO, durable: bool, mode: int, owner: Owner | None) -> None:
    file.flush()
    # The owner first: a change of the owner takes away bits of the mode.
    if owner is not None:
        os.fchown(file.fileno(), *owner)
    os.fchmod(file.fileno(), mode)
    if durable:
        os.fsync(file.fileno())


def _sync_folder_of(path: Path, within: int | None) -> None:
    if within is None:
        sync_folder(path.parent)
    else:
        os.fsync(within)
