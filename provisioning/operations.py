"""The operations that pyinfra does not bring: silent about contents, and truthful in a dry run."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Sequence
from io import BytesIO
from pathlib import Path

from pyinfra.api.command import FileUploadCommand, StringCommand
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host
from pyinfra.facts.files import File, Sha256File

from provisioning.facts import MissingPackages, Succeeds, UnitState

Commands = Generator[StringCommand | FileUploadCommand, None, None]
_APT = (
    # Ubuntu's needrestart would ask, or restart services of its own accord in the middle of the deploy.
    "DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 "
    "apt-get -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120"
)
_LOCKS = ("/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend")
_LOCKED_MAX_S = 600
"""A fresh machine brings itself up to date in its first minutes, and holds the locks while it does."""
_BLOCK = "/usr/sbin/policy-rc.d"
_MARK = "appliance-deploy"


def changes(*metas: OperationMeta) -> bool:
    """Whether any of these operations did change something or, before they have run, is going to."""
    return any(meta.did_change() if meta.is_complete() else meta.will_change for meta in metas)


def when_free(locks: Sequence[str], most_s: int = _LOCKED_MAX_S) -> str:
    """A command that waits until no one holds these locks, which `apt-get update` and dpkg do not."""
    program = "import fcntl, sys; [fcntl.lockf(open(path, 'a'), fcntl.LOCK_EX) for path in sys.argv[1:]]"
    paths = " ".join(shlex.quote(path) for path in locks)
    return f"timeout {most_s} python3 -c {shlex.quote(program)} {paths} 2>/dev/null || true"


@operation()
def packages(names: Sequence[str], lists_stale_after: Sequence[OperationMeta] = ()) -> Commands:
    """Install Debian packages that are missing; lists are fetched only when there is something to install.

    Services do not start while packages are being unpacked: they would start with the distribution's
    configuration, listening where it likes.
    """
    missing = host.get_fact(MissingPackages, packages=list(names))
    if host.get_fact(Succeeds, command=f"grep -q {_MARK} {_BLOCK}"):
        # A deploy that was cut off could not take its block away.
        yield StringCommand(f"rm -f {_BLOCK}")
    update = f"{when_free(_LOCKS)}; {_APT} update"
    if not missing:
        if changes(*lists_stale_after):
            yield StringCommand(update)
        return
    yield StringCommand(update)
    yield StringCommand(
        f"if ! test -e {_BLOCK}; then trap 'rm -f {_BLOCK}' EXIT; "
        f"printf '#!/bin/sh\\n# {_MARK}\\nexit 101\\n' > {_BLOCK}; chmod 755 {_BLOCK}; fi; "
        # An installation that was cut off is first brought to its end. dpkg waits for no lock.
        f"{when_free(_LOCKS)}; DEBIAN_FRONTEND=noninteractive dpkg --force-confold --configure -a && "
        f"{_APT} install -y --fix-broken --no-install-recommends "
        f"{' '.join(shlex.quote(name) for name in missing)}"
    )


@operation()
def ensured(commands: Sequence[str], unless: str) -> Commands:
    """Run shell commands unless a check succeeds. For state that is neither a file nor a package."""
    if not host.get_fact(Succeeds, command=unless):
        for command in commands:
            yield StringCommand(command)


def gone(there: str) -> bool:
    """Whether a command says that what it looks for is no longer there."""
    return bool(there) and not host.get_fact(Succeeds, command=there)


@operation()
def unit(
    unit_name: str,
    *,
    running: bool = True,
    enabled: bool | None = True,
    reads: Sequence[str] = (),
    restart_after: Sequence[OperationMeta] = (),
    reload_daemon_after: Sequence[OperationMeta] = (),
    there: str = "",
) -> Commands:
    """Bring a unit to a state, and restart it exactly when something it read has changed since it started.

    ``reads`` are the paths it reads at its start. ``restart_after`` are the operations that write them:
    before they have run, as in a dry run, it is from them that a restart is known. ``there`` is a command
    that succeeds as long as what the unit has set up is there, for one that has no process to die with it.
    """
    state = host.get_fact(UnitState, unit=unit_name, reads=list(reads))
    quoted = shlex.quote(unit_name)
    if state.needs_reload or changes(*restart_after, *reload_daemon_after):
        yield StringCommand("systemctl daemon-reload")
    if enabled and not state.enabled:
        yield StringCommand(f"systemctl enable --quiet {quoted}")
    if enabled is False and state.enabled:
        yield StringCommand(f"systemctl disable --quiet {quoted}")
    if running and not state.active:
        yield StringCommand(f"systemctl reset-failed {quoted} 2>/dev/null; systemctl start {quoted}")
    elif running and (state.stale or changes(*restart_after) or gone(there)):
        yield StringCommand(f"systemctl restart {quoted}")
    elif not running and state.active:
        yield StringCommand(f"systemctl stop {quoted}")


@operation()
def secret_file(
    src: str | bytes, dest: str, user: str = "root", group: str = "root", mode: str = "600"
) -> Commands:
    """Upload a file whose contents no one else may see, on the way or in any output.

    ``src`` is a local path, or the bytes. pyinfra's own ``files.put`` shows contents under ``--diff`` and,
    over ssh with sudo, leaves a world-readable copy in /tmp for a moment; this one never holds the contents
    in a file that others can open, and replaces the old file in one step.
    """
    content = src if isinstance(src, bytes) else Path(src).read_bytes()
    quoted, fresh = shlex.quote(dest), shlex.quote(f"{dest}.new")
    if host.get_fact(Sha256File, path=dest) != hashlib.sha256(content).hexdigest():
        digest = hashlib.sha256(dest.encode()).hexdigest()[:16]
        staging = f"/tmp/.appliance-{digest}"  # noqa: S108 -- made afresh, and private, by the next command
        yield StringCommand(f"rm -rf {staging} && mkdir -m 700 {staging}", _sudo=False)
        yield StringCommand(f"install -m 600 /dev/null {fresh}")
        yield FileUploadCommand(BytesIO(content), f"{dest}.new", remote_temp_filename=f"{staging}/secret")
        yield StringCommand(f"rm -rf {staging}", _sudo=False)
        yield StringCommand(f"chown {user}:{group} {fresh} && chmod {mode} {fresh} && mv {fresh} {quoted}")
        return
    found = host.get_fact(File, path=dest)
    if found and (found["user"], found["group"], str(found["mode"])) != (user, group, mode):
        yield StringCommand(f"chown {user}:{group} {quoted} && chmod {mode} {quoted}")
