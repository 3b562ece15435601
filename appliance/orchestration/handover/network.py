"""The network of one container of the customer's own: it reaches what is named, and nothing else.

The network has no way out, and this machine no address in it. For each host that the container may reach
there is a relay with one foot in it and one where steps stand; the container finds it under the host's name.
So it holds on any engine, with or without a firewall of ours, and names are not looked up outside.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

import docker

from appliance.errors import WorkFailedError
from appliance.orchestration.containers.attempt import DockerTrouble, EngineAwayError
from appliance.orchestration.containers.container import HostSettings, StepLimits, host_settings
from appliance.steps.relay import READY, UPSTREAM
from appliance.system.container_labels import OWN_NETWORKS

RELAY_MEMORY_MB = 64
RELAY_PROGRAM = ("python", "-m", "appliance.steps.relay")
ENGINES_HOST = "host.docker.internal"
READY_S = 60.0
_LOOK_EVERY_S = 0.1

Places = Mapping[str, tuple[int, ...]]
"""Ports by host."""


@dataclass(frozen=True)
class Network:
    """What the container is given: its network, and where each host is found in it."""

    name: str
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The relay's address in it, by host."""

    def apply(self, settings: HostSettings) -> None:
        """Put a container's settings into this network, in place of the one that they name."""
        settings["network_mode"] = self.name
        settings.pop("extra_hosts", None)
        if self.hosts:
            named = {host: address for host, address in self.hosts.items() if not _ip(host)}
            settings["extra_hosts"] = [f"{host}:{address}" for host, address in named.items()]
            # Where nothing listens: Docker would pass other names on to this machine's name server.
            settings["dns"] = [next(iter(self.hosts.values()))]


NOWHERE = Network("none")


@dataclass(frozen=True)
class RelayPlan:
    """How relays are made: as steps are, with their image and in their network."""

    image: str
    limits: StepLimits
    """Of which the network and the cgroup count."""
    labels: Mapping[str, str]
    user: str
    addresses: Callable[[str, int], tuple[str, ...]]
    """Where a host is, as this machine (or its firewall) sees it."""


class NetworkOptions(TypedDict):
    """Keyword arguments of docker's ``create_network``."""

    driver: str
    internal: bool
    enable_ipv6: bool
    options: dict[str, str]


def network_options(name: str) -> NetworkOptions:
    """The keyword arguments of docker's ``create_network``."""
    bridge = OWN_NETWORKS + hashlib.sha256(name.encode()).hexdigest()[:8]
    return {
        "driver": "bridge",
        "internal": True,
        "enable_ipv6": False,
        "options": {
            "com.docker.network.bridge.name": bridge,
            # No address of this machine in it: its own services cannot be reached either.
            "com.docker.network.bridge.inhibit_ipv4": "true",
        },
    }


def relay_settings(limits: StepLimits, addresses: tuple[str, ...]) -> HostSettings:
    """The keyword arguments of docker's ``create_host_config`` for one relay."""
    small = replace(limits, memory_mb=RELAY_MEMORY_MB, hosts=())
    return {
        **host_settings(small, []),
        "extra_hosts": [f"{UPSTREAM}:{address}" for address in addresses],
        "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
    }


def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """A host's addresses as this machine knows them; Docker's own name for this machine as Docker has it."""
    if _ip(host):
        return (host,)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ("host-gateway",) if host == ENGINES_HOST else ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


@contextlib.contextmanager
def own_network(client: docker.APIClient, name: str, places: Places, plan: RelayPlan) -> Iterator[Network]:
    """The network with its relays, for the length of a block. Raises WorkFailedError, EngineAwayError."""
    if not places:
        yield NOWHERE
        return
    relays: list[str] = []
    try:
        try:
            client.create_network(name, labels=dict(plan.labels), **network_options(name))
            hosts = {host: _relay(client, name, host, ports, plan, relays) for host, ports in places.items()}
            for relay in relays:
                _wait_until_ready(client, relay)
        except DockerTrouble as error:
            raise EngineAwayError(error) from None
        yield Network(name, hosts)
    finally:
        for relay in relays:
            with contextlib.suppress(*DockerTrouble):
                client.remove_container(relay, force=True, v=True)
        with contextlib.suppress(*DockerTrouble):
            client.remove_network(name)


def _relay(  # noqa: PLR0917
    client: docker.APIClient,
    network: str,
    host: str,
    ports: tuple[int, ...],
    plan: RelayPlan,
    made: list[str],
) -> str:
    """One relay; its address in the network."""
    addresses = plan.addresses(host, ports[0])
    if not addresses:
        raise WorkFailedError(
            f"No address is known for the host '{host}', which the container is to reach.",
            "This machine's name servers do not know it.",
            f"getent hosts {host}; correct `network` in the workflow, or the DNS.",
        )
    created = client.create_container(
        image=plan.image,
        entrypoint=list(RELAY_PROGRAM),
        command=[str(port) for port in ports],
        user=plan.user,
        labels=dict(plan.labels),
        environment={"HOME": "/tmp", "PYTHONUNBUFFERED": "1"},  # noqa: S108 - its own tmpfs
        host_config=client.create_host_config(**relay_settings(plan.limits, addresses)),
    )["Id"]
    made.append(created)
    client.connect_container_to_network(created, network)
    client.start(created)
    found = client.inspect_container(created)["NetworkSettings"]["Networks"][network]["IPAddress"]
    return str(found)


def _wait_until_ready(client: docker.APIClient, relay: str) -> None:
    give_up = time.monotonic() + READY_S
    while READY not in client.logs(relay).decode("utf-8", "replace").split():
        if time.monotonic() > give_up or not client.inspect_container(relay)["State"].get("Running"):
            raise WorkFailedError(
                "The relay, through which the container reaches what it may, did not start.",
                "It runs in the image for steps.",
                "docker ps -a; journalctl -u docker",
            )
        time.sleep(_LOOK_EVERY_S)


def _ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
