"""A host that the real deploy has turned into an appliance, for all tests of this folder.

By default it is a container that boots systemd. The same tests run against a real VM, which should be fresh
and may be thrown away afterwards:

    .venv/bin/pytest tests/vm --vm-host admin@192.0.2.10 --vm-key ~/.ssh/id_ed25519
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from tests.vm.certificate_authority import make_authority
from tests.vm.container_host import ContainerHost, Vm
from tests.vm.deploying import Deploy, Outcome, make_bundle
from tests.vm.package_proxy import MIRROR, PackageProxy
from tests.vm.sample_database import SAMPLE_PORT

SAMPLE_ADDRESS = "172.29.0.1"
"""Docker's own bridge on the host, the first of its address pools: where steps find the sample databases."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to find a real VM instead of a container."""
    parser.addoption("--vm-host", help="USER@ADDRESS of a fresh VM with sudo, instead of a container")
    parser.addoption("--vm-key", type=Path, help="the private key to reach it with")


@dataclass
class Appliance:
    """The host, how it was deployed, and the deploy's inputs that must stay hidden."""

    vm: Vm
    deploy: Deploy
    dry: Outcome
    untouched: bool
    first: Outcome
    secrets: dict[str, str]
    passwords: dict[str, str]
    proxy: PackageProxy | None

    def patterns(self, *more: str) -> str:
        """A file on the host with all secrets, for `grep -Ff`: on a command line, sudo would log them."""
        path = "/root/.patterns"
        packed = base64.b64encode("\n".join((*self.secrets.values(), *more)).encode()).decode()
        self.vm.sudo(f"umask 077; printf %s {packed} | base64 -d > {path}")
        return path

    @property
    def host(self) -> Host:
        """testinfra's view of it, as root."""
        return testinfra.get_host(
            f"ssh://{self.vm.user}@{self.vm.address}",
            ssh_identity_file=str(self.vm.key),
            ssh_extra_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            sudo=True,
        )


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of this checkout for Debian 13 and, with the Debian packages that it needs, for Debian 12."""
    options = ("--python", "3.13", "--python", "3.11", "--debs", "bookworm")
    folder = tmp_path_factory.getbasetemp()
    # The workers' folders lie side by side.
    of_all = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return make_bundle(of_all / "bundle", *options)


@pytest.fixture(scope="session")
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ssh key of the hosts."""
    given = request.config.getoption("--vm-key", default=None)
    if given:
        return Path(given)
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="package")
def debian13(request: pytest.FixtureRequest, key: Path) -> Iterator[Vm]:
    """A bare Debian 13, or the VM that was named; it ends with the folder's last test."""
    named = request.config.getoption("--vm-host", default=None)
    if named:
        user, _, address = named.rpartition("@")
        yield Vm(address, user or "root", key, "13")
        return
    machine = ContainerHost("13", key)
    try:
        yield machine.vm
    finally:
        machine.remove()


@pytest.fixture(scope="package")
def appliance(debian13: Vm, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """The deploy over ssh: behind a proxy with a password, with a package mirror, a site CA and secrets."""
    folder = tmp_path_factory.mktemp("deploy")
    hidden = {name: f"{name}-{secrets.token_hex(8)}" for name in ("source", "target", "token", "proxy")}
    passwords = {name: hidden[name] + r""" '"\ %s $(x) #{y} : @ / ü""" for name in ("source", "target")}
    proxy = PackageProxy(debian13.gateway, "proxy user", hidden["proxy"]) if debian13.gateway else None
    knobs = _knobs(folder, bundle, hidden, passwords) | (_network(folder, proxy, hidden) if proxy else {})
    connect = {
        "ssh_user": debian13.user,
        "ssh_key": str(debian13.key),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
    }
    deploy = Deploy(folder, debian13.address, connect, knobs)
    dry = deploy.run(dry=True)
    left_alone = "test ! -e /opt/appliance && ! getent passwd appliance && ! command -v dockerd"
    untouched = debian13.ssh(left_alone, check=False).returncode == 0
    first = deploy.run("-vvv", "--debug", "--diff")
    try:
        yield Appliance(debian13, deploy, dry, untouched, first, hidden, passwords, proxy)
    finally:
        if proxy:
            proxy.close()


def _knobs(folder: Path, bundle: Path, hidden: dict[str, str], passwords: dict[str, str]) -> dict[str, Any]:
    shared = {"type": "postgres", "host": SAMPLE_ADDRESS, "port": SAMPLE_PORT, "sslmode": "disable"}
    connections = {
        "production": shared | {"dbname": "shop", "user": "reader", "password": passwords["source"]},
        "staging": shared | {"dbname": "shop_twin", "user": "twin_owner", "password": passwords["target"]},
    }
    # JSON is YAML, and quotes every awkward character.
    (folder / "connections.yaml").write_text(json.dumps(connections, indent=1))
    (folder / "connections.yaml").chmod(0o600)
    (folder / "token").write_text(hidden["token"])
    make_authority(folder / "site-ca.pem")
    return {
        "release_bundle": str(bundle),
        "connections_file": str(folder / "connections.yaml"),
        "enrolment_token_file": str(folder / "token"),
        "site_ca": str(folder / "site-ca.pem"),
        "steps_memory_mb": 1024,
        "firewall_allow_from_steps_tcp": [SAMPLE_PORT],
    }


def _network(folder: Path, proxy: PackageProxy, hidden: dict[str, str]) -> dict[str, Any]:
    (folder / "proxy-credentials").write_text(f"proxy user:{hidden['proxy']}\n")
    return {
        "http_proxy": proxy.url,
        "http_proxy_credentials_file": str(folder / "proxy-credentials"),
        "package_mirror": f"http://{MIRROR}/debian",
        "package_mirror_security": f"http://{MIRROR}/debian-security",
    }
