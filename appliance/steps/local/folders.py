"""Where a run without the appliance's services keeps its files, and its secrets while it lasts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings
from appliance.system.proc import file_system_of

_LOCK = "lock"
_CHECKOUTS = "checkouts"


def state_folder(settings: Settings, wanted: Path | None = None, *, near: Path | None = None) -> Path:
    """The folder for runs and keys: the wanted one, the appliance's if it exists and is writable, or
    one of this user's own for the checkout that ``near`` lies in (the working folder, if it is left out).

    Raises WrongRequestError where none can be made, or where it is another user's.
    """
    if wanted is not None:
        candidates = [wanted]
    else:
        # Only a deploy makes the usual folder: one that came about by chance would be shared by chance.
        set_by_hand = "state_dir" in settings.model_fields_set
        appliances = [settings.state_dir] if set_by_hand or settings.state_dir.is_dir() else []
        candidates = [*appliances, _own_folder(near or Path.cwd())]
    for folder in candidates:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    raise WrongRequestError(
        f"The folder {candidates[-1]} cannot be written to.",
        "The plan, the results and the key of a run are kept there.",
        "Give another one with --state DIR.",
    )


def state_folders(settings: Settings, wanted: Path | None = None) -> list[Path]:
    """Where runs of this user may lie: in the wanted folder, or the appliance's and all of the user's own."""
    if wanted is not None:
        return [wanted]
    home = _home()
    try:
        own = [home, *sorted((home / _CHECKOUTS).iterdir())]
    except OSError:
        own = [home]
    return list(dict.fromkeys([settings.state_dir, *own]))


def _own_folder(near: Path) -> Path:
    """Two checkouts of one user have no key and no run in common, unless he says so with --state."""
    place = near.resolve()
    for folder in (place, *place.parents):
        if (folder / ".git").exists():
            mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
            return _home() / _CHECKOUTS / f"{folder.name}-{mark}"
    return _home()


def _home() -> Path:
    """This user's, also where sudo has left him the home of another one."""
    named = os.environ.get("XDG_STATE_HOME")
    home = Path(named) if named else Path.home() / ".local/state"
    if _is_anothers(home):
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".local/state"
    return home / "appliance"


def _is_anothers(path: Path) -> bool:
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            return folder.stat().st_uid not in (os.geteuid(), 0)
    return False


@contextlib.contextmanager
def secrets_base(settings: Settings, run_id: str) -> Iterator[Path]:
    """A folder for this run's secrets, in memory where the machine has a tmpfs; gone afterwards.

    Folders that killed runs have left are removed as well: no process holds their lock any more.
    """
    base = _memory_folder(settings)
    _sweep(base)
    folder = base / run_id
    folder.mkdir(mode=0o700)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder / "steps"
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _memory_folder(settings: Settings) -> Path:
    own = f"appliance-{os.getuid()}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    shared = Path("/dev/shm") / own  # noqa: S108 - taken only if it is ours alone
    private = [*([Path(runtime) / own] if runtime else []), shared]
    # The appliance's own folder is made on tmpfs.
    chosen = [settings.runtime_dir / "local", *filter(_on_tmpfs, filter(_usable, private)), *private]
    candidates = [*chosen, Path(tempfile.gettempdir()) / own]
    for folder in candidates:
        if _usable(folder):
            return folder
    raise WrongRequestError(
        "There is no folder for secrets.",
        f"None of {', '.join(map(str, candidates))} can be made for this user alone.",
        "Set APPLIANCE_RUNTIME_DIR to a folder on tmpfs that this user owns.",
    )


def _usable(folder: Path) -> bool:
    """Make the folder for us alone. One that another user made first is not taken."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    if status.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
        return False
    folder.chmod(0o700)
    return True


def _on_tmpfs(folder: Path) -> bool:
    return file_system_of(folder) in ("tmpfs", "ramfs")


def _sweep(base: Path) -> None:
    for folder in base.iterdir():
        try:
            with (folder / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
