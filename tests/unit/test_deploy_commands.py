"""Shell commands of the deploy that can be tried without a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.firewall.deployer import SSH_PORTS
from provisioning.operations import when_free
from provisioning.preflight.deployer import covering_network

HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True)"
)


def test_packages_wait_for_a_machine_that_brings_itself_up_to_date(tmp_path: Path) -> None:
    """A fresh cloud image runs apt in its first minutes, and apt-get update would end at its lock at once."""
    locks = [tmp_path / "lists", tmp_path / "dpkg"]
    command = when_free([str(lock) for lock in locks], 60)
    holding = [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(locks[1])]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        waiting = subprocess.Popen(["sh", "-c", f"{command}; echo done"], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.communicate(timeout=1)
        holder.communicate("")
        assert waiting.communicate(timeout=300)[0] == "done\n"


def test_a_lock_that_is_never_given_up_does_not_hold_the_deploy_for_ever(tmp_path: Path) -> None:
    holding = [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(tmp_path / "lock")]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert (
            subprocess.run(["sh", "-c", when_free([str(tmp_path / "lock")], 1)], check=False).returncode == 0
        )
        holder.communicate("")


ROUTES = """\
default via 172.29.0.1 dev eth0
172.29.0.0/16 dev eth0 proto kernel scope link src 172.29.0.2
unreachable 10.9.0.0/16
10.1.2.3 via 172.29.0.1 dev eth0
"""
BRIDGES = "172.29.0.0/24 dev docker0 proto kernel scope link src 172.29.0.1 linkdown\n"


@pytest.mark.parametrize(
    ("routes", "pools", "covering"),
    [
        (ROUTES, ["172.29.0.0/16"], "172.29.0.0/16"),
        (ROUTES, ["172.29.128.0/17", "172.29.0.0/20"], "172.29.0.0/16"),
        (ROUTES, ["172.29.0.0/16", "10.213.0.0/16"], None),
        (ROUTES, ["172.28.0.0/15"], None),
        ("default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0\n" + BRIDGES, ["172.29.0.0/16"], None),
        ("172.16.0.0/12 via 10.0.0.1 dev tun0\n", ["172.29.0.0/16"], "172.16.0.0/12"),
        ("", ["172.29.0.0/16"], None),
    ],
)
def test_a_machine_whose_network_covers_dockers_is_told_before_docker_does_not_start(
    routes: str, pools: list[str], covering: str | None
) -> None:
    assert covering_network(routes, [{"base": base, "size": 24} for base in pools]) == covering


@pytest.mark.parametrize(
    ("sshd", "listening", "ports"),
    [
        ("port 22\nport 2200\nusedns no", "", "22 2200"),
        ("", "[::]:2222 (Stream)\n0.0.0.0:22 (Stream)\n", "2222 22"),
        ("port 22", "[::]:22 (Stream)\n/run/ssh-unix-local/socket (Stream)\n", "22 22"),
        ("", "", ""),
    ],
    ids=["a server", "a socket before its first connection, as on Ubuntu", "both", "no ssh"],
)
def test_the_firewall_knows_where_ssh_comes_in(tmp_path: Path, sshd: str, listening: str, ports: str) -> None:
    (tmp_path / "sshd").write_text(f"#!/bin/sh\nprintf '{sshd}\\n'\ntest -n '{sshd}'\n")
    active = "1" if listening else "0"
    (tmp_path / "systemctl").write_text(
        "#!/bin/sh\n"
        f'case "$*" in "is-active --quiet ssh.socket") test {active} = 1 ;; '
        f"\"show -p Listen --value ssh.socket\") printf '{listening}' ;; *) exit 3 ;; esac\n"
    )
    for name in ("sshd", "systemctl"):
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", SSH_PORTS],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ports.split()
