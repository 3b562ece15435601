"""Debian 12 with no network at all: the bundle and one command on the machine, cut off once in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.running import running_dashboard
from tests.vm.container_host import ContainerHost, Vm, docker
from tests.vm.deploying import changed

UNITS = (
    *("prepare", "api-server", "dag-processor", "scheduler", "status"),
    *("cleanup", "reaper", "firewall", "update"),
)
LIMITS = {"scheduler": 40, "reaper": 40}
NOTHING_YET = "test ! -e /opt/appliance/current"


@pytest.fixture(scope="module")
def debian12(key: Path) -> Iterator[Vm]:
    """A bare Debian 12 that reaches nothing."""
    machine = ContainerHost("12", key)
    try:
        yield machine.vm
    finally:
        machine.remove()


@pytest.fixture(scope="module")
def printed(debian12: Vm, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the vendor's dashboard prints: it has the bundle, and is all that the machine reaches."""
    assert debian12.gateway
    folder = tmp_path_factory.mktemp("dashboard12")
    with running_dashboard(folder, host=debian12.gateway, DASHBOARD_BUNDLES=str(bundle.parent)) as dashboard:
        token = dashboard.command("create-token", "vendor", "--role", "editor")
        added = dashboard.client(token).post("/v1/appliances", json={"name": "Hospital West"})
        # Its address is plain HTTP, which no appliance reports to.
        yield added.json()["install_command"].replace(f"dashboard_url={dashboard.url}", "offline=true")


@pytest.fixture(scope="module")
def command(debian12: Vm, printed: str) -> str:
    """What an operator pastes."""
    assert debian12.container
    put = ("exec", "--interactive", debian12.container, "sh", "-c", "cat > /root/pasted")
    docker(*put, text=f"{printed}\n")
    return "cd /root && sh pasted 2>&1"


def test_a_wrong_checksum_installs_nothing(debian12: Vm, bundle: Path, command: str) -> None:
    debian12.sudo("cd /root && sed s/sha256=[0-9a-f]*/sha256=%s/ pasted > mistyped" % ("0" * 64))
    done = debian12.ssh("sudo sh -c 'cd /root && sh mistyped'", check=False)
    assert done.returncode != 0
    assert f"{bundle.name}: FAILED" in done.stdout + done.stderr
    debian12.sudo("test ! -e /root/install.sh && test ! -e /opt/appliance")


def test_the_installer_checks_for_itself(debian12: Vm, bundle: Path, command: str) -> None:
    debian12.sudo(f"cd /root && tar -xOf {bundle.name} provisioning/install.sh > by-hand.sh")
    done = debian12.ssh(f"sudo sh /root/by-hand.sh /root/{bundle.name} {'0' * 64}", check=False)
    assert done.returncode == 2
    assert "Next:" in done.stderr
    debian12.sudo("test ! -e /opt/appliance")


def test_a_reboot_in_the_middle_of_the_deploy_is_put_right_by_the_next(debian12: Vm, command: str) -> None:
    debian12.sudo(f'systemd-run --unit=first-try sh -c "{command}"')
    # The worst moment: packages are unpacked and not yet configured.
    unpacking = 'until test -n "$(ls /var/lib/dpkg/updates)" || test -e /usr/bin/dockerd; do sleep 0.2; done'
    debian12.sudo(f"timeout 600 sh -c '{unpacking}'")
    debian12.reboot()
    debian12.sudo(NOTHING_YET)
    first = debian12.sudo(command)
    assert "Install Debian packages" in changed(first)
    assert debian12.sudo("systemctl is-active appliance-scheduler appliance-status").split() == ["active"] * 2
    debian12.sudo("test ! -e /usr/sbin/policy-rc.d && test ! -e /opt/appliance/upload")


def test_the_same_command_again_changes_nothing(debian12: Vm, command: str) -> None:
    again = debian12.sudo(command)
    assert "is already there" in again
    assert "Grand total" in again
    assert changed(again) == ()


def test_units_are_as_closed_under_an_older_systemd(debian12: Vm) -> None:
    open_wide = {}
    for unit in UNITS:
        gate = f"systemd-analyze security --offline=true --no-pager --threshold={LIMITS.get(unit, 20)}"
        done = debian12.ssh(f"{gate} appliance-{unit}.service", check=False)
        if done.returncode != 0:
            open_wide[unit] = done.stdout
    assert open_wide == {}


def test_nothing_failed_and_everything_is_running(debian12: Vm) -> None:
    assert debian12.sudo("systemctl --failed --no-legend") == ""
    assert debian12.ssh("appliance --version").stdout.startswith(("appliance", "0."))
