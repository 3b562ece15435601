"""Which addresses step containers may reach: those of the connections, and nothing else.

Steps have no name server and no way out but these. Before each step its task writes down which databases may
be reached; the unit appliance-reach, which runs as root, looks their names up afresh, hands the addresses to
the firewall, and answers with them. Only then does the step start, with the names in its /etc/hosts.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.connections.database import Connection
from appliance.durable import write_file
from appliance.errors import WorkFailedError

WANTED = "reach.json"
"""In the runtime folder: a list of [host, port]."""
APPLIED = Path("/run/appliance-firewall/applied.json")
"""The answer. Where its folder is missing, no firewall of ours guards the steps."""
WITHIN_S = 30.0
_ASK_AGAIN_S = 2.0
"""systemd does not hear of a change that comes while the unit is still at work on the one before."""
_LOOK_EVERY_S = 0.05

Place = tuple[str, int]


@dataclass(frozen=True)
class Applied:
    """What the firewall lets steps reach, as it was asked for and looked up at that moment."""

    at: float
    addresses: dict[Place, tuple[str, ...]]


def is_guarded(applied: Path = APPLIED) -> bool:
    """Whether the appliance's own firewall decides what steps may reach."""
    return applied.parent.is_dir()


def open_ways(
    runtime_dir: Path,
    known: Mapping[str, Connection],
    wanted: Mapping[str, Connection],
    *,
    named: Iterable[Place] = (),
    places: Iterable[Place] = (),
    applied: Path = APPLIED,
    within_s: float = WITHIN_S,
) -> tuple[str, ...]:
    """Have the firewall let steps reach the ``wanted`` of the ``known`` connections, and ``places`` of those
    that policy has ``named``; lines for /etc/hosts.

    What other steps need of the known ones stays; what nothing names any more is closed. Raises
    WorkFailedError where the firewall does not answer: the step would only wait for its database in vain.
    """
    if not is_guarded(applied):
        return ()
    wanted_places = tuple(dict.fromkeys([*_places(wanted), *places]))
    all_places = (*_places(known), *named)
    asked = time.time()
    give_up = time.monotonic() + within_s
    file = runtime_dir / WANTED
    while True:
        ask(file, all_places, wanted_places)
        answer = _answer(applied, asked, wanted_places)
        if answer is not None:
            return tuple(
                f"{host}:{address}"
                for host, port in wanted_places
                if not _is_address(host)
                for address in answer.addresses[host, port]
            )
        if time.monotonic() > give_up:
            raise WorkFailedError(
                "The firewall has not let this step reach its databases.",
                f"No service has answered what {file} asks for.",
                "systemctl status appliance-reach.path appliance-reach.service",
            )


def _places(connections: Mapping[str, Connection]) -> tuple[Place, ...]:
    found = ((each.host, each.port) for each in connections.values() if not each.host.startswith("/"))
    return tuple(dict.fromkeys(found))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def ask(file: Path, known: tuple[Place, ...], wanted: tuple[Place, ...]) -> None:
    """Bring the file up to date, which wakes what waits for it. Raises OSError."""
    with file.with_name(f".{WANTED}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        places = {place for place in asked_for(file) if place in known} | set(wanted)
        write_file(file, json.dumps(sorted(places)), durable=False, mode=0o600)


def asked_for(file: Path) -> list[Place]:
    """What was asked for last; nothing where nothing can be read."""
    try:
        return [(str(host), int(port)) for host, port in json.loads(file.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _answer(applied: Path, asked: float, places: tuple[Place, ...]) -> Applied | None:
    """The answer to what was asked at that moment or later, if it comes soon."""
    give_up = time.monotonic() + _ASK_AGAIN_S
    while time.monotonic() < give_up:
        found = read_applied(applied)
        if found is not None and found.at >= asked and found.addresses.keys() >= set(places):
            return found
        time.sleep(_LOOK_EVERY_S)
    return None


def read_applied(file: Path) -> Applied | None:
    """The unit's last answer; None where there is none."""
    try:
        written = json.loads(file.read_bytes())
        ways = {(str(host), int(port)): tuple(map(str, given)) for host, port, given in written["ways"]}
        return Applied(float(written["at"]), ways)
    except (OSError, ValueError, TypeError, KeyError):
        return None
