"""A table of nftables rules of the appliance's own, beside any that the host or Docker has."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from pyinfra.context import host
from pyinfra.operations import files

from appliance.system.container_labels import OWN_NETWORKS
from appliance.system.units import FIREWALL, REACH, UNIT_FOLDER
from provisioning.facts import Output, Succeeds
from provisioning.operations import ensured, unit
from provisioning.stages import Deployer

RULES = "/etc/appliance/firewall.nft"
BRIDGES = '{ "docker0", "br-*" }'
NAMED_ONLY = f'"{OWN_NETWORKS}*"'
"""The networks of containers of the customer's own, which have no way out in any case."""
REACHABLE = "/run/appliance-firewall/*.nft"
SSH_PORTS = (
    "sshd -T 2>/dev/null | awk '$1 == \"port\" {print $2}'; "
    # Where systemd listens for it, as on Ubuntu: sshd itself may never have run, and says nothing then.
    "for unit in ssh.socket sshd.socket; do systemctl is-active --quiet $unit && "
    "systemctl show -p Listen --value $unit | sed -n 's/.*:\\([0-9][0-9]*\\) (Stream)$/\\1/p'; done; true"
)
_SOURCE = Path(__file__).parents[2] / "systemd"


class Firewall(Deployer):
    """ssh may always come in, on whatever ports sshd uses: a deploy must not lock its operator out."""

    def configure(self) -> None:
        """Write the rules, and the unit that loads them before the network is up."""
        self.changed = []
        if not self.knobs.firewall:
            return
        ports = host.get_fact(Output, command=SSH_PORTS).split()
        text = ruleset(
            [int(port) for port in ports] or [22], self._open(), self.knobs.firewall_allow_from_steps_tcp
        )
        self.changed = [
            files.put(name="Write the firewall's rules", src=StringIO(text), dest=RULES, mode="644"),
            files.put(
                name=f"Write {FIREWALL}",
                src=str(_SOURCE / FIREWALL),
                dest=f"{UNIT_FOLDER}/{FIREWALL}",
                mode="644",
            ),
        ]
        for name in REACH:
            files.put(name=f"Write {name}", src=str(_SOURCE / name), dest=f"{UNIT_FOLDER}/{name}", mode="644")

    def activate(self) -> None:
        """Load the rules, or take them away."""
        if self.knobs.firewall:
            unit(
                name="Load the firewall's rules",
                unit_name=FIREWALL,
                reads=[RULES, f"{UNIT_FOLDER}/{FIREWALL}"],
                restart_after=self.changed,
                # The distribution's nftables.service flushes everybody's tables when it starts.
                there="nft list table inet appliance",
            )
            unit(name=f"Start {REACH[1]}", unit_name=REACH[1], reads=[f"{UNIT_FOLDER}/{REACH[1]}"])
        elif host.get_fact(Succeeds, command=f"test -e {UNIT_FOLDER}/{FIREWALL}"):
            ensured(
                name="Take the firewall away",
                commands=[
                    f"systemctl disable --now {FIREWALL} {REACH[1]}",
                    f"rm -rf {RULES} {' '.join(f'{UNIT_FOLDER}/{name}' for name in (FIREWALL, *REACH))} "
                    f"{Path(REACHABLE).parent}",
                ],
                unless="false",
            )

    def _open(self) -> list[int]:
        beyond_loopback = self.knobs.status_host not in {"127.0.0.1", "::1", "localhost"}
        return [*self.knobs.firewall_allow_tcp, *([self.knobs.status_port] if beyond_loopback else [])]


def ruleset(ssh: Sequence[int], allowed: Sequence[int], from_steps: Sequence[int]) -> str:
    """The nftables file. It replaces its own table and touches no other."""
    tcp = ", ".join(str(port) for port in sorted({*ssh, *allowed}))
    steps = ", ".join(str(port) for port in sorted(set(from_steps)))
    own = f"        iifname {BRIDGES} tcp dport {{ {steps} }} accept\n" if steps else ""
    return f"""\
#!/usr/sbin/nft -f
# Written by the appliance's deploy. Only this table is the appliance's; all others are left alone.
table inet appliance
delete table inet appliance
table inet appliance {{
    # The connections' addresses, as appliance-reach.service found them before the last step.
    set reachable4 {{ type ipv4_addr . inet_service; }}
    set reachable6 {{ type ipv6_addr . inet_service; }}
    chain input {{
        type filter hook input priority filter + 10; policy drop;
        iif "lo" accept
        ct state established,related accept
        ct state invalid drop
{own}        iifname {BRIDGES} drop
        iifname {NAMED_ONLY} drop
        meta l4proto {{ icmp, ipv6-icmp }} accept
        udp dport {{ 68, 546 }} accept comment "DHCP answers"
        tcp dport {{ {tcp} }} accept
    }}
    chain forward {{
        type filter hook forward priority filter - 5; policy accept;
        iifname {BRIDGES} jump from_steps
        iifname {NAMED_ONLY} oifname != {NAMED_ONLY} drop comment "a container of one's own, past its relay"
    }}
    # Steps reach the connections and nothing else: no name server, no neighbour, no cloud's metadata.
    chain from_steps {{
        ct state established,related accept
        ip daddr 169.254.0.0/16 reject comment "a cloud's metadata"
        ip6 daddr {{ fe80::/10, fd00:ec2::/64 }} reject comment "a cloud's metadata"
        ip daddr . tcp dport @reachable4 accept
        ip6 daddr . tcp dport @reachable6 accept
        reject
    }}
}}
include "{REACHABLE}"
"""
