"""What the deploy asks the host before it decides anything. Every answer is safe on a bare host too."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyinfra.api.facts import FactBase


class Succeeds(FactBase[bool]):
    """Whether a shell command ends with exit status 0. The command must change nothing."""

    def command(self, command: str) -> str:
        return f"if {{ {command} ; }} >/dev/null 2>&1; then echo yes; else echo no; fi"

    def process(self, output: Iterable[str]) -> bool:
        return list(output)[-1:] == ["yes"]


class Output(FactBase[str]):
    """What a shell command prints, stripped; empty where the command is missing or fails."""

    default = str

    def command(self, command: str) -> str:
        return f"{{ {command} ; }} 2>/dev/null || true"

    def process(self, output: Iterable[str]) -> str:
        return "\n".join(output).strip()


@dataclass(frozen=True)
class Unit:
    """How systemd sees a unit, and whether something it read at its start has changed since."""

    active: bool
    enabled: bool
    needs_reload: bool
    stale: bool


class UnitState(FactBase[Unit]):
    """State of one unit.

    Staleness compares modification times with the moment the unit started, instead of trusting that the run
    which changed a file also lived long enough to restart its readers: a deploy that was cut off in between
    is put right by the next one.
    """

    def command(self, unit: str, reads: Sequence[str] = ()) -> str:
        name = shlex.quote(unit)
        paths = " ".join(shlex.quote(path) for path in reads)
        newer = f'find {paths} -newermt "$since" -print -quit 2>/dev/null' if paths else "true"
        return (
            f"systemctl show {name} -p ActiveState -p UnitFileState -p NeedDaemonReload 2>/dev/null; "
            f"since=$(systemctl show {name} -p ActiveEnterTimestamp --value --timestamp=unix 2>/dev/null); "
            f'if [ -n "$since" ] && [ "$since" != n/a ] && [ -n "$({newer})" ]; then echo Stale=yes; fi; true'
        )

    def process(self, output: Iterable[str]) -> Unit:
        shown = dict(line.split("=", 1) for line in output if "=" in line)
        return Unit(
            active=shown.get("ActiveState") in {"active", "activating", "reloading"},
            enabled=shown.get("UnitFileState") in {"enabled", "static", "alias", "generated"},
            needs_reload=shown.get("NeedDaemonReload") == "yes",
            stale=shown.get("Stale") == "yes",
        )


class MissingPackages(FactBase[list[str]]):
    """Which of the named Debian packages are not installed."""

    default = list

    def command(self, packages: Sequence[str]) -> str:
        names = " ".join(shlex.quote(name) for name in packages)
        return (
            f"for name in {names}; do "
            'case "$(dpkg-query -W -f=\'${db:Status-Status}\' "$name" 2>/dev/null)" in installed) ;; '
            '*) echo "$name" ;; esac; done'
        )

    def process(self, output: Iterable[str]) -> list[str]:
        return [line.strip() for line in output if line.strip()]
