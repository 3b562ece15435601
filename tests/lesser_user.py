"""A folder that belongs to a user with no rights, which root then works in; and what lies outside of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LESSER = 54_321
"""No user's number."""


@contextmanager
def world() -> Iterator[Path]:
    """A folder that every user can get to, as /var/lib is, and that is root's; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="lesser-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def give(folder: Path) -> Path:
    """Make the folder, and have it and all that is in it belong to the lesser user."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, LESSER, LESSER, follow_symlinks=False)
    return folder


def put_link(path: Path, leads_to: Path) -> None:
    """What the lesser user does: a link of its own in place of whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(leads_to)
    if os.geteuid() == 0:
        os.chown(path, LESSER, LESSER, follow_symlinks=False)


def secret_of_root(folder: Path) -> Path:
    """Files that only root may read, and a folder that others may look into and not change."""
    folder.mkdir(mode=0o755)
    (folder / "kept").write_text("root's own")
    (folder / "kept").chmod(0o600)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Owner, mode and contents of all that is in it: what an attack could have changed."""
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[path.relative_to(folder).as_posix()] = (status.st_uid, status.st_mode, content)
    return found
