"""What root does below a folder that a lesser user owns: as that user, or in a folder of root's own.

A folder's owner can put a link in place of anything in it, at any moment. Root that follows one reads,
writes and deletes where the link leads, and a check beforehand is too early. So root takes on the owner's
rights for as long as it works there: a link then leads nowhere that its maker could not have gone alone.
What must be safe from the owner lies in a folder of root's own, which is held open and never looked up again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import WorkFailedError, WrongRequestError

_MOST_LINKS = 40
"""As many as the kernel itself follows."""


@dataclass(frozen=True)
class Owner:
    """A user other than root, and all groups that it has by right."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def name(self) -> str:
        """As the machine knows it."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def lesser_owner(path: Path) -> Owner | None:
    """The first user but root, from the root of the file system on, who could replace what ``path`` names.

    None where only root can, or where this process is not root. What does not exist yet has the owner of the
    folder that it would lie in.
    """
    if os.geteuid() != 0:
        return None
    return _first_owner(Path(os.path.normpath(path.absolute())), _MOST_LINKS)


def _first_owner(path: Path, links_left: int) -> Owner | None:
    here = Path(path.anchor)
    for number, part in enumerate(path.parts[1:], start=1):
        here = here / part
        try:
            status = here.lstat()
        except OSError:
            return None
        if status.st_uid != 0:
            return _owner(status)
        if stat.S_ISLNK(status.st_mode) and links_left:
            # Root's own link in a folder of root's: where it leads is what counts.
            beyond = Path(os.path.normpath(here.parent / here.readlink()), *path.parts[number + 1 :])
            return _first_owner(beyond, links_left - 1)
    return None


def _owner(status: os.stat_result) -> Owner:
    try:
        account = pwd.getpwuid(status.st_uid)
    except KeyError:
        return Owner(status.st_uid, status.st_gid, (status.st_gid,))
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return Owner(status.st_uid, account.pw_gid, tuple(groups))


@contextlib.contextmanager
def as_owner_of(path: Path) -> Iterator[None]:
    """Do what follows with the rights of the lesser user who owns ``path`` or a folder above it.

    Changes nothing where there is none. It holds for the whole process, so a generator must not give a value
    from within. Raises WorkFailedError where root may not change its user.
    """
    owner = lesser_owner(path)
    if owner is None:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(owner.groups)
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
    except OSError:
        _back(groups, gid)
        raise _may_not(path, owner) from None
    try:
        yield
    finally:
        _back(groups, gid)


def become_owner_of(path: Path) -> None:
    """Have the rights of the lesser user who owns ``path``, and no others, from now on; programs that are
    started inherit them. Raises WorkFailedError where root may not change its user.
    """
    owner = lesser_owner(path)
    if owner is None:
        return
    try:
        os.setgroups(owner.groups)
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, owner.uid)
    except OSError:
        raise _may_not(path, owner) from None


def _back(groups: list[int], gid: int) -> None:
    os.seteuid(0)
    os.setegid(gid)
    with contextlib.suppress(PermissionError):
        # Where root may not set groups, none have been set.
        os.setgroups(groups)


def _may_not(path: Path, owner: Owner) -> WorkFailedError:
    return WorkFailedError(
        f"{path} belongs to {owner.name}, and this process may not act as that user.",
        "Root does nothing there with its own rights: a link could lead it anywhere.",
        f"Run the command as {owner.name}.",
    )


@contextlib.contextmanager
def folder_of_our_own(parent: Path, name: str) -> Iterator[Path]:
    """A folder in ``parent`` that no one else can look into, even where another user owns ``parent``.

    It is made if need be. The path leads to the folder that is held open, whatever has its name by then.
    Raises WrongRequestError where something else has the name, OSError where it cannot be made.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    above = os.open(parent, flags)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        try:
            held = os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            raise _not_ours(parent / name, "It is a link, or no folder.") from None
    finally:
        os.close(above)
    try:
        if os.fstat(held).st_uid != os.geteuid():
            raise _not_ours(parent / name, "It belongs to another user.")
        os.fchmod(held, 0o700)
        yield Path(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def _not_ours(path: Path, why: str) -> WrongRequestError:
    return WrongRequestError(
        f"{path} will not be used.",
        f"{why} Nothing has been changed.",
        f"ls -ld {path}; mv {path} {path}.aside   and run the same command again.",
    )


def refuse_link(path: Path) -> None:
    """Raise WrongRequestError for a link where a folder of the appliance's belongs. An account that may
    put one there may do so after this look, too: what follows is done as that user all the same.
    """
    if path.is_symlink():
        raise WrongRequestError(
            f"{path} is a link.",
            "The appliance keeps its files in a folder there. Nothing has been changed.",
            f"ls -l {path}; rm {path}   and run the same command again.",
        )


def ways(error: OSError, path: Path, otherwise: str) -> str:
    """The next command for a failure below ``path``: whose each folder on the way is, and what is a link."""
    return f"namei -l {path}" if isinstance(error, PermissionError) else otherwise
