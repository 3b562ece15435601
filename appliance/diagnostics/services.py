"""systemd's view: the state of every unit, and what they wrote to the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from appliance.diagnostics.part import NotThereError, Part, output_of
from appliance.releases.failures import kept_journals, version_of
from appliance.releases.installed import ROOT
from appliance.releases.lock import STATE
from appliance.system.disk import readable
from appliance.system.units import PREPARE, SERVICES, STARTED_BY_TIMERS, TIMERS

_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,StatusText,ActiveEnterTimestamp,"
    "InactiveEnterTimestamp,ConditionResult,MemoryCurrent,TasksCurrent,UnitFileState"
)
_OTHERS = ("docker.service", "postgresql.service", "appliance-services.slice", "appliance-steps.slice")
_SINCE = "--since=-7days"
SILENCE_S = 5.0


def parts() -> list[Part]:
    """Units, then journals."""
    return [
        Part("units/states.txt", "the state of every unit", _states),
        Part("units/timers.txt", "when timers ran and will run", lambda: [output_of(_TIMERS)]),
        Part("units/failed.txt", "units that have failed", lambda: [output_of(_FAILED)]),
        Part("logs/services.txt", "the services' journal of a week", lambda: _journal("appliance-*", 20_000)),
        *(_failed_move(path) for path in kept_journals(ROOT / STATE)),
        Part("logs/docker.txt", "Docker's journal", lambda: _journal("docker.service", 2_000)),
        Part("logs/postgresql.txt", "PostgreSQL's journal", lambda: _journal("postgresql@*", 5_000)),
        Part("logs/kernel.txt", "the kernel's warnings", _kernel),
    ]


_TIMERS = ["systemctl", "list-timers", "--all", "--no-pager"]
_FAILED = ["systemctl", "list-units", "--failed", "--no-pager", "--plain"]


def _states() -> Iterable[str]:
    units = (PREPARE, *SERVICES, *TIMERS, *STARTED_BY_TIMERS, *_OTHERS)
    properties = output_of(["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", *units])
    # Nine digits in a row would be scrubbed.
    yield re.sub(
        r"(?m)^(MemoryCurrent)=(\d+)$", lambda found: f"{found[1]}={readable(int(found[2]))}", properties
    )


def _journal(unit: str, lines: int) -> Iterable[str]:
    return readable_journal(
        output_of(["journalctl", f"--unit={unit}", _SINCE, f"--lines={lines}", "--output=json", "--no-pager"])
    )


def _failed_move(path: Path) -> Part:
    name = f"logs/failed-release-{version_of(path)}.txt"
    return Part(name, "what the services wrote while that release was tried", lambda: _kept(path))


def _kept(path: Path) -> Iterable[str]:
    try:
        return readable_journal(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise NotThereError(f"{path} cannot be read: {error.strerror}.") from None


def _kernel() -> Iterable[str]:
    return readable_journal(
        output_of(
            ["journalctl", "--dmesg", "--priority=warning", "--lines=500", "--output=json", "--no-pager"]
        )
    )


def readable_journal(records: str) -> list[str]:
    """The journal's JSON records as pieces of text, each what one process wrote at one go.

    Nothing is put before a message: it is by a line's beginning that the scrubber recognises an exception,
    or a value that goes on over several lines. A piece ends where a process was silent: so does such a value.
    """
    pieces: list[list[str]] = []
    current: dict[str, tuple[float, list[str]]] = {}
    for line in records.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            pieces.append([line])
            continue
        unit = str(record.get("_SYSTEMD_UNIT") or record.get("SYSLOG_IDENTIFIER") or "kernel")
        writer, at = f"{unit}[{record.get('_PID', '')}]", _seconds(record.get("__REALTIME_TIMESTAMP"))
        last, piece = current.get(writer, (0.0, []))
        if not piece or at - last > SILENCE_S:
            piece = [f"=== {_moment(at)} {writer}"]
            pieces.append(piece)
        piece.append(_message(record.get("MESSAGE")))
        current[writer] = (at, piece)
    return ["\n".join(piece) for piece in pieces]


def _message(message: object) -> str:
    if isinstance(message, list):
        return bytes(byte for byte in message if isinstance(byte, int)).decode(errors="replace")
    return str(message or "")


def _seconds(microseconds: object) -> float:
    try:
        return int(str(microseconds)) / 1e6
    except ValueError:
        return 0.0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
