"""The deploy itself: what it says, what it does, and that it does nothing twice."""

from __future__ import annotations

import pytest

from tests.vm.certificate_authority import NAME
from tests.vm.conftest import Appliance

SERVICES = ("prepare", "api-server", "dag-processor", "scheduler", "upkeep", "status")


def test_a_dry_run_touches_nothing(appliance: Appliance) -> None:
    assert appliance.dry.status == 0, appliance.dry
    assert appliance.untouched


def test_the_first_deploy_does_what_the_dry_run_said(appliance: Appliance) -> None:
    assert appliance.first.status == 0, appliance.first
    assert set(appliance.first.changed) == set(appliance.dry.changed)


def test_no_secret_is_in_any_output_at_the_highest_verbosity(appliance: Appliance) -> None:
    assert len(appliance.first.output) > 10_000
    leaked = [name for name, secret in appliance.secrets.items() if secret in appliance.first.output]
    assert leaked == []


def test_a_second_deploy_over_ssh_changes_nothing(appliance: Appliance) -> None:
    second = appliance.deploy.run()
    assert second.status == 0, second
    assert second.changed == ()
    assert "Grand total" in second.output


def test_a_dry_run_of_a_finished_host_proposes_nothing(appliance: Appliance) -> None:
    dry = appliance.deploy.run(dry=True)
    assert dry.status == 0, dry
    assert dry.changed == ()


def test_a_changed_knob_restarts_what_reads_it_and_nothing_else(appliance: Appliance) -> None:
    before = started(appliance)
    appliance.deploy.knobs["steps_parallel"] = 3
    dry = appliance.deploy.run(dry=True)
    changed = appliance.deploy.run()
    after = started(appliance)
    assert changed.status == 0, changed
    assert set(changed.changed) == set(dry.changed)
    assert set(changed.changed) == {
        "Write appliance.yaml",
        *(f"Start appliance-{name}.service" for name in SERVICES),
    }
    restarted = {unit for unit in before if before[unit] != after[unit]}
    assert restarted == {f"appliance-{name}.service" for name in SERVICES}


def test_what_was_missed_or_undone_since_is_all_that_the_next_deploy_does(appliance: Appliance) -> None:
    """A restart that was missed; and rules that are gone, as after the distribution's own nftables.service.

    A host that is a container is reached through Docker this time: the deploy sees the same as over ssh.
    """
    appliance.vm.sudo("touch /etc/systemd/system/appliance-status.service")
    appliance.vm.sudo("nft delete table inet appliance")
    container = appliance.vm.container
    again = appliance.deploy.run(target=f"@docker/{container}" if container else None)
    assert again.status == 0, again
    assert set(again.changed) == {"Start appliance-status.service", "Load the firewall's rules"}
    assert "policy drop" in appliance.vm.sudo("nft list table inet appliance")


@pytest.mark.parametrize(
    ("knob", "value", "expected"),
    [
        ("status_host", "0.0.0.0", "status_tls_certificate"),
        ("http_proxy", "http://user:word@proxy:3128", "http_proxy_credentials_file"),
        ("connections_file", "/nowhere/connections.yaml", "connections_file"),
        ("firewall_allow_tcp", "ssh", "firewall_allow_tcp"),
    ],
)
def test_a_wrong_knob_ends_the_deploy_before_anything_is_done(
    appliance: Appliance, knob: str, value: str, expected: str
) -> None:
    wrong = appliance.deploy.run_with({knob: value})
    assert wrong.status != 0
    assert expected in wrong.output
    assert "Traceback" not in wrong.output
    assert wrong.changed == ()


def test_a_docker_from_elsewhere_is_not_replaced_but_told_of(appliance: Appliance) -> None:
    """Ubuntu's installer offers it as a snap."""
    appliance.vm.sudo("mkdir -p /snap/docker/current")
    try:
        refused = appliance.deploy.run()
    finally:
        appliance.vm.sudo("rm -r /snap")
    assert refused.status != 0
    assert "snap remove docker" in refused.output
    assert refused.changed == ()


def test_packages_came_through_the_mirror_behind_the_proxy(appliance: Appliance) -> None:
    if appliance.proxy is None:
        pytest.skip("a real VM has its own network")
    assert appliance.proxy.requests > 20


def test_the_site_authority_is_trusted_by_the_whole_host(appliance: Appliance) -> None:
    bundle = appliance.vm.sudo("cat /etc/ssl/certs/ca-certificates.crt")
    site = appliance.vm.sudo("cat /usr/local/share/ca-certificates/appliance-site.crt")
    assert site in bundle
    subject = appliance.vm.sudo("openssl x509 -noout -subject -in /etc/ssl/certs/appliance-site.pem")
    assert NAME in subject


def test_a_release_becomes_the_current_one_only_where_its_own_checks_pass(appliance: Appliance) -> None:
    current = appliance.vm.sudo("readlink /opt/appliance/current").strip()
    appliance.vm.sudo(
        "mkdir -p /opt/appliance/releases/former"
        " && ln -sfn /opt/appliance/releases/former /opt/appliance/current && chmod o+rw /run/docker.sock"
    )
    try:
        stopped = appliance.deploy.run()
        assert stopped.status != 0
        assert "Everybody on this machine can reach docker.sock" in stopped.output
        assert appliance.vm.sudo("readlink /opt/appliance/current").strip() != current
        gone_on = appliance.deploy.run_with({"preflight_in_spite_of": ["docker access"]})
        assert gone_on.status == 0, gone_on
        assert appliance.vm.sudo("readlink /opt/appliance/current").strip() == current
    finally:
        appliance.vm.sudo(f"ln -sfn {current} /opt/appliance/current; chmod o= /run/docker.sock")
        appliance.vm.sudo("rmdir /opt/appliance/releases/former")


def started(appliance: Appliance) -> dict[str, str]:
    """When each of these units became active, by the host's monotonic clock."""
    units = [f"appliance-{name}.service" for name in SERVICES]
    units += ["docker.service", "appliance-firewall.service", "systemd-journald.service"]
    shown = appliance.vm.sudo(f"systemctl show {' '.join(units)} -p Id -p ActiveEnterTimestampMonotonic")
    pairs = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")]
    return {pair["Id"]: pair["ActiveEnterTimestampMonotonic"] for pair in pairs}
