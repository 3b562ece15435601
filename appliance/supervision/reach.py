"""Hands the firewall what steps may reach. Run as root by appliance-reach.service, standard library only.

What is asked for was written by a lesser user: a file that is a link is not read, and of its contents only
names and ports are taken. An address that no database has, a cloud's metadata above all, is left out,
whatever name leads to it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from appliance.durable import write_file

ASKED = Path("/run/appliance/reach.json")
FOLDER = Path("/run/appliance-firewall")
ELEMENTS = "reach.nft"
"""Included by the firewall's rules, and so kept whenever they are loaded again."""
APPLIED = "applied.json"
RULES = Path("/etc/appliance/firewall.nft")
MOST_BYTES = 1 << 20
MOST_PLACES = 500
_AT_ONCE = 16
_METADATA = (ipaddress.ip_network("fd00:ec2::/64"), ipaddress.ip_network("100.100.100.200/32"))
"""Besides link-local addresses, where the other clouds have it: Amazon's over IPv6, Alibaba's."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Place = tuple[str, int]
Ways = dict[Place, tuple[Address, ...]]


def main() -> int:
    """Apply what is asked for now. Exit status 1 where the firewall did not take it."""
    # Before it is read: an answer is good for whatever was asked until then.
    at = time.time()
    places = places_in(read_asked(ASKED))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(places, pool.map(look_up, places), strict=True))
    return apply(found, at, FOLDER, load_rules)


def apply(ways: Ways, at: float, folder: Path, load: Callable[[], bool]) -> int:
    """Write the elements, have them loaded, and only then say so."""
    write_file(folder / ELEMENTS, elements(ways), durable=False, mode=0o644)
    if not load():
        sys.stderr.write("The firewall did not take the addresses of the connections.\n")
        return 1
    shown = [[host, port, [str(each) for each in found]] for (host, port), found in sorted(ways.items())]
    write_file(folder / APPLIED, json.dumps({"at": at, "ways": shown}), durable=False, mode=0o644)
    return 0


def load_rules() -> bool:
    """The whole table, in one transaction of the kernel's."""
    return subprocess.run(["/usr/sbin/nft", "-f", str(RULES)], check=False).returncode == 0  # noqa: S603


def read_asked(path: Path) -> bytes:
    """The file's bytes; none for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_BYTES) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def places_in(text: bytes) -> list[Place]:
    """The hosts and ports that are asked for."""
    try:
        given = [(str(host), int(port)) for host, port in json.loads(text or b"[]")]
    except (ValueError, TypeError):
        return []
    return [(host, port) for host, port in dict.fromkeys(given) if 0 < port < 65_536][:MOST_PLACES]


def look_up(place: Place) -> tuple[Address, ...]:
    """Every address of a host that a database may have, in the resolver's order; none for an unknown name."""
    try:
        found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    addresses = (ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found)
    return tuple(dict.fromkeys(address for address in addresses if is_reachable(address)))


def is_reachable(address: Address) -> bool:
    """Whether a database may have it: not this machine itself, no neighbour's own, no cloud's metadata."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_reachable(mapped)
    if any(address in network for network in _METADATA if network.version == address.version):
        return False
    return not (
        address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    )


def elements(ways: Ways) -> str:
    """nftables' commands that fill both sets."""
    return "\n".join(["# Written by appliance-reach.service.", *_elements(ways), ""])


def _elements(ways: Ways) -> Iterable[str]:
    pairs = {(address, port) for (_, port), found in ways.items() for address in found}
    for address, port in sorted(pairs, key=lambda pair: (pair[0].version, int(pair[0]), pair[1])):
        yield f"add element inet appliance reachable{address.version} {{ {address} . {port} }}"


if __name__ == "__main__":
    sys.exit(main())
