"""A connection's password: as connections.yaml has it, or as the program that is named there prints it.

The program runs with the rights of the file's owner, without a shell. What it prints is never shown, in
no log and no error; it is in memory only, and for a minute, so that one step asks once.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import Protocol, TypedDict

from pydantic import SecretStr

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.system.beneath import lesser_owner

TIMEOUT_S = 30.0
LONGEST_BYTES = 16 * 1024
"""Far more than any token for a database."""
_FRESH_S = 60.0
_OURS = ("APPLIANCE", "AIRFLOW", "PG", "CREDENTIALS_DIRECTORY")
"""Variables that are nothing to a program that fetches a password; some of ours hold one themselves."""

_Key = tuple[tuple[str, ...], Path | None]
_printed: dict[_Key, tuple[str, float]] = {}


class HasSecret(Protocol):
    """A connection, to a database or a bucket."""

    @property
    def password_command(self) -> tuple[str, ...] | None: ...

    @property
    def password(self) -> SecretStr: ...

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> Path | None: ...


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def password_of(connection: HasSecret) -> str:
    """The password; empty where there is none.

    Raises WrongRequestError for a program that cannot be started, WorkFailedError for one that fails, takes
    too long or prints no password.
    """
    if connection.password_command is None:
        return connection.password.get_secret_value()
    key = (connection.password_command, connection.file)
    known = _printed.get(key)
    if known is None or time.monotonic() - known[1] > _FRESH_S:
        known = _printed[key] = (_password_in(connection, _output(connection)), time.monotonic())
    return known[0]


def printed_passwords() -> tuple[str, ...]:
    """What programs have printed to this process so far: what no text may show."""
    return tuple(password for password, _ in _printed.values())


def _output(connection: HasSecret) -> bytes:
    command = connection.password_command or ()
    identity, environment = _identity(connection.file)
    try:
        process = subprocess.Popen(  # noqa: S603 - the owner's own file names it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            **identity,
        )
    except OSError as error:
        raise WrongRequestError(
            f"The password_command of {_shown(connection)} cannot be started.",
            f"{error.strerror or type(error).__name__}: {command[0]}",
            "Name a program by its whole path in connections.yaml, one that the appliance's user may run.",
        ) from None
    with process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise WorkFailedError(
                f"The password_command of {_shown(connection)} took longer than {TIMEOUT_S:.0f} seconds.",
                f"{command[0]} was ended.",
                _try_it(identity),
            ) from None
        finally:
            # Whatever it has started ends with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        ended = f"exit status {process.returncode}" if process.returncode > 0 else "a signal"
        raise WorkFailedError(
            f"The password_command of {_shown(connection)} failed.",
            f"{command[0]} ended with {ended}. What it printed is not shown: a secret may be in it.",
            _try_it(identity),
        )
    return output


def _password_in(connection: HasSecret, output: bytes) -> str:
    """One line, with or without its end."""
    with contextlib.suppress(UnicodeDecodeError):
        text = output.decode("utf-8").removesuffix("\n").removesuffix("\r")
        if text and len(output) <= LONGEST_BYTES and not any(each in text for each in "\r\n\0"):
            return text
    found = "nothing" if not output.strip() else "more than one line, or no text"
    raise WorkFailedError(
        f"The password_command of {_shown(connection)} printed no password.",
        f"It printed {found}; one line is the password.",
        "Correct it in connections.yaml: of several values, have it print one.",
    )


def _identity(file: Path | None) -> tuple[_Identity, dict[str, str]]:
    """As whom the program runs, and its variables: never as root what a lesser user's file names."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    owner = lesser_owner(file) if file is not None else None
    if owner is None:
        return {}, environment
    with contextlib.suppress(KeyError):
        environment["HOME"] = pwd.getpwuid(owner.uid).pw_dir
    return {"user": owner.uid, "group": owner.gid, "extra_groups": list(owner.groups)}, environment


def _shown(connection: HasSecret) -> str:
    return f"the connection '{connection.name}'" if connection.name else "a connection"


def _try_it(identity: _Identity) -> str:
    user = identity.get("user", os.geteuid())
    with contextlib.suppress(KeyError):
        return f"sudo -u {pwd.getpwuid(user).pw_name} …   with the command as connections.yaml has it"
    return "Run the command of connections.yaml by hand, as the appliance's user."
