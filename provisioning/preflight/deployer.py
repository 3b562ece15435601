"""The checks that decide whether a host can become an appliance at all."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Sequence
from typing import Any

from pyinfra.api.exceptions import DeployError
from pyinfra.context import host

from appliance.releases.repository.contents import ARCHITECTURES
from provisioning.distributions import SUPPORTED, Distribution, recognise
from provisioning.facts import Output, Succeeds
from provisioning.knobs import Knobs
from provisioning.stages import Deployer

MEMORY_MB_MIN = 1800
"""A VM sold as 2 GB shows a little less."""
DISK_MB_MIN = 4096
"""Packages, one release, its images and some runs, on the file system of /var/lib."""


def distribution() -> Distribution:
    """What the host runs. Raises DeployError where that is not supported."""
    found = recognise(host.get_fact(Output, command="cat /etc/os-release"))
    if found is None:
        raise _refused("this is not a distribution that the appliance supports", "use " + _supported())
    return found


def release_preflight(knobs: Knobs, release: str) -> str:
    """The command that runs an unpacked release's own checks, which ends with 1 where one fails.

    The settings are not written yet: what the checks need of them is passed on. The proxy is not, because its
    password may be in it; that the dashboard cannot be reached is only a warning.
    """
    settings = {"APPLIANCE_STATUS_PORT": str(knobs.status_port)}
    if knobs.dashboard_url:
        settings["APPLIANCE_DASHBOARD_URL"] = knobs.dashboard_url
    given = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    named = [f"--in-spite-of {shlex.quote(check)}" for check in knobs.preflight_in_spite_of]
    return " ".join(["env", *given, f"{release}/venv/bin/appliance preflight", *named])


class Preflight(Deployer):
    """Stops the deploy with one message that names everything that is wrong.

    These few checks come before anything is installed. A release brings all of them, and they are run once it
    is unpacked, before it becomes the current one.
    """

    def install(self) -> None:
        """All checks are made first, so that one run of the deploy shows all of them."""
        distribution()
        wrong = [message for check, message in self._checks() if not check]
        if wrong:
            raise _refused("; ".join(wrong), "change the VM, then run the same command again")

    def _checks(self) -> list[tuple[bool, str]]:
        memory = _number("awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo")
        disk = _number("df -Pm /var/lib | awk 'NR == 2 {print $4}'")
        installed = host.get_fact(Succeeds, command="test -L /opt/appliance/current")
        port = self.knobs.status_port
        snap = host.get_fact(Succeeds, command="test -e /snap/docker/current")
        covering = covering_network(
            host.get_fact(Output, command="ip -4 route show"), self.knobs.docker_address_pools
        )
        own = "dpkg-query -W -f='${db:Status-Status}' docker-ce | grep -qx installed"
        return [
            (
                host.get_fact(Succeeds, command="test -d /run/systemd/system"),
                "systemd is not the host's init",
            ),
            (
                host.get_fact(Output, command="uname -m") in ARCHITECTURES,
                f"only machines of {' and '.join(ARCHITECTURES)} are supported",
            ),
            (memory >= MEMORY_MB_MIN, f"{memory} MB of memory where {MEMORY_MB_MIN} MB are needed"),
            (
                installed or disk >= DISK_MB_MIN,
                f"{disk} MB free in /var/lib where {DISK_MB_MIN} MB are needed",
            ),
            (
                installed or not host.get_fact(Succeeds, command=f"ss -Hltn sport = :{port} | grep -q ."),
                f"port {port} is taken by another program (choose another status_port)",
            ),
            (
                covering is None,
                f"its network {covering} leaves Docker's bridges no room in docker_address_pools "
                '(set others, such as [{"base": "10.213.0.0/16", "size": 24}])',
            ),
            (not snap, "Docker is there as a snap, beside which no other engine works (snap remove docker)"),
            (
                not host.get_fact(Succeeds, command=own),
                "docker-ce is installed, which the distribution's docker.io would take the place of "
                "(apt-get remove docker-ce docker-ce-cli containerd.io, where it is not needed)",
            ),
        ]


def covering_network(routes: str, pools: Sequence[dict[str, Any]]) -> str | None:
    """A network of the machine's own that covers all of Docker's address pools, by ``ip -4 route show``.

    Docker takes no subnet that meets one, and does not start where there is none to take.
    """
    networks = []
    for line in routes.splitlines():
        words = line.split()
        device = words[words.index("dev") + 1] if "dev" in words[:-1] else ""
        if words and words[0] != "default" and not device.startswith(("docker", "br-", "veth")):
            try:
                networks.append(ipaddress.IPv4Network(words[0]))
            except ValueError:
                continue
    covering: str | None = None
    for pool in pools:
        base = ipaddress.ip_network(pool["base"])
        met = [network for network in networks if base.version == 4 and base.subnet_of(network)]
        if not met:
            return None
        covering = str(met[0])
    return covering


def _number(command: str) -> int:
    text = host.get_fact(Output, command=command)
    return int(text) if text.isdigit() else 0


def _supported() -> str:
    return " or ".join(known.name for known in SUPPORTED.values())


def _refused(why: str, next_step: str) -> DeployError:
    return DeployError(f"{host.name} cannot become an appliance: {why}. Next: {next_step}.")
