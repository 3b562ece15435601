"""The knobs of the deploy: documented, checked, and turned into the files that the host reads."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import appliance
from appliance.settings.settings import load_settings
from appliance.system.disk import INSTALL_MB
from provisioning.distributions import SUPPORTED, Distribution, recognise
from provisioning.docker.deployer import daemon_json
from provisioning.firewall.deployer import ruleset
from provisioning.knobs import Knobs, WrongKnobError, check_names, defaults, read_knobs
from provisioning.packages.deployer import mirror_sources, offline_sources
from provisioning.preflight.deployer import DISK_MB_MIN, release_preflight
from provisioning.release.wheels import PYTHONS
from provisioning.units.deployer import steps_ceiling
from provisioning.units.settings_file import settings_file

ROOT = Path(__file__).parents[2]


def knobs(**values: Any) -> Knobs:
    return read_knobs(values)


def test_every_knob_has_a_default_and_a_comment_above_it() -> None:
    assert set(defaults()) == {field.name for field in fields(Knobs)}
    text = (ROOT / "provisioning" / "group_data" / "all.py").read_text()
    for block in re.split(r"\n\n|\n(?=#)", text.split('"""', 2)[2].strip()):
        if re.search(r"^\w+(: [^=]+)? = ", block, re.MULTILINE):
            assert block.startswith("#"), block


def test_the_installation_page_names_every_knob() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    assert [name for name in defaults() if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status_host": "0.0.0.0"}, "status_tls_certificate"),
        ({"status_host": "not an address"}, "status_host: expected an IP address"),
        ({"status_port": "many"}, "status_port: expected a whole number"),
        ({"steps_memory_mb": "-1"}, "steps_memory_mb: expected a number above 0"),
        ({"offline": "perhaps"}, "offline: expected true or false"),
        ({"http_proxy": "http://user:word@proxy:3128"}, "http_proxy_credentials_file"),
        ({"http_proxy": "proxy:3128"}, "http_proxy: expected a URL"),
        ({"docker_address_pools": [{"base": "172.29.0.0/16", "size": 8}]}, "docker_address_pools"),
        ({"connections_file": "/nowhere"}, "connections_file: there is no file /nowhere"),
        ({"certificates": {"../db.pem": "/etc/hostname"}}, "not a plain file name"),
        ({"notify": {"addresses": [{"name": "a", "by": "ntfy"}]}}, "notify.addresses.0: has none, or both"),
        ({"releases_kept": 1}, "releases_kept: expected 2 or more"),
        ({"release_watch_minutes": 9999}, "release_watch_minutes: expected 0 to 1440"),
        ({"certificates": "/etc/hostname"}, "certificates: expected names and files"),
        ({"docker_address_pools": "172.29.0.0/16"}, "docker_address_pools"),
        ({"firewall_allow_tcp": "ssh"}, "firewall_allow_tcp: expected ports"),
        ({"firewall_allow_from_steps_tcp": [5432, 65536]}, "firewall_allow_from_steps_tcp: expected ports"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongKnobError, match=re.escape(message)):
        knobs(**values)


def test_words_from_the_command_line_are_taken_as_what_they_say() -> None:
    read = knobs(offline="true", firewall="no", steps_parallel="7")
    assert (read.offline, read.firewall, read.steps_parallel) == (True, False, 7)


def test_lists_from_the_command_line_are_taken_as_they_are_typed(tmp_path: Path) -> None:
    """pyinfra hands over what is JSON as what it says, a single port as a number, and all else as text."""
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.touch()
    read = knobs(
        firewall_allow_tcp=443,
        firewall_allow_from_steps_tcp="5432, 5433",
        workflow_files=f"{files[0]},{files[1]}",
        docker_log_max_size=10485760,
    )
    assert read.firewall_allow_tcp == [443]
    assert read.firewall_allow_from_steps_tcp == [5432, 5433]
    assert read.workflow_files == [str(file) for file in files]
    assert read.docker_log_max_size == "10485760"
    assert knobs(firewall_allow_tcp=["443", 80]).firewall_allow_tcp == [443, 80]


def test_a_mistyped_knob_on_the_command_line_is_refused() -> None:
    check_names(["offline", "steps_memory_mb", "ssh_user", "docker_identifier", "_sudo"])
    with pytest.raises(
        WrongKnobError, match="step_memory_mb: there is no such knob; did you mean steps_memory_mb"
    ):
        check_names(["step_memory_mb"])
    with pytest.raises(WrongKnobError, match="frobnication: there is no such knob; all of them are in"):
        check_names(["frobnication"])


def test_an_operators_own_docker_settings_are_kept() -> None:
    merged = json.loads(daemon_json('{"dns": ["10.0.0.1"], "live-restore": false}', knobs()))
    assert merged["dns"] == ["10.0.0.1"]
    assert merged["live-restore"] is True


def test_the_settings_that_the_deploy_writes_are_settings_that_the_appliance_reads(tmp_path: Path) -> None:
    path = tmp_path / "appliance.yaml"
    path.write_text(
        settings_file(knobs(steps_parallel=3, dashboard_url="https://d.example", receipts_max_days=None))
    )
    settings = load_settings(path, environment={})
    assert settings.steps.max_parallel == 3
    assert settings.steps.image == f"appliance-step:{appliance.__version__}"
    assert settings.steps.cgroup_parent == "appliance-steps.slice"
    assert settings.dashboard_url == "https://d.example"
    assert (settings.exports.max_days, settings.receipts.max_days) == (30, None)


def test_the_deploy_and_the_appliance_s_own_preflight_ask_for_the_same_room() -> None:
    assert DISK_MB_MIN == INSTALL_MB


def test_steps_may_have_what_services_and_the_system_leave() -> None:
    assert "MemoryMax=6144M" in steps_ceiling(knobs(), memory_mb=8192, cores=4)
    assert "CPUQuota=360%" in steps_ceiling(knobs(), memory_mb=8192, cores=4)
    assert "MemoryMax=700M" in steps_ceiling(knobs(steps_memory_mb=700), memory_mb=8192, cores=4)


def test_the_firewall_lets_ssh_in_wherever_it_listens() -> None:
    rules = ruleset(ssh=[2222], allowed=[8642], from_steps=[5433])
    assert "tcp dport { 2222, 8642 } accept" in rules
    assert 'iifname { "docker0", "br-*" } tcp dport { 5433 } accept' in rules


@pytest.mark.parametrize("found", SUPPORTED.values(), ids=lambda found: found.name)
def test_what_is_installed_is_what_each_distribution_calls_it(found: Distribution) -> None:
    assert found.python in PYTHONS
    assert f"postgresql-{found.postgres}" in found.packages
    assert {"docker.io", "nftables", "ca-certificates", "python3"} <= set(found.packages)
    # From Debian 13 on the client is a package of its own; Ubuntu and Debian 12 have it in docker.io.
    assert ("docker-cli" in found.packages) == (found.codename == "trixie")


def test_a_mirror_is_written_as_each_archive_is_laid_out() -> None:
    mirrored = knobs(package_mirror="http://m/x", package_mirror_security="http://m/s")
    ubuntu = mirror_sources(mirrored, SUPPORTED[("ubuntu", "24.04")])
    assert ubuntu is not None
    # Docker is in universe there, and the archive's own key signs it.
    assert "Suites: noble noble-updates\nComponents: main universe\n" in ubuntu
    assert "Suites: noble-security\n" in ubuntu
    assert ubuntu.count("ubuntu-archive-keyring.gpg") == 2
    debian = mirror_sources(mirrored, SUPPORTED[("debian", "12")])
    assert debian is not None
    assert "Suites: bookworm bookworm-updates\nComponents: main\n" in debian
    assert debian.count("debian-archive-keyring.gpg") == 2


def test_offline_packages_are_those_of_the_hosts_own_release() -> None:
    noble = offline_sources(SUPPORTED[("ubuntu", "24.04")])
    assert noble.splitlines()[1] == "URIs: file:/opt/appliance/debs/noble"


def test_only_supported_distributions_are_recognised() -> None:
    assert recognise('ID=debian\nVERSION_ID="13"\n') == SUPPORTED[("debian", "13")]
    assert recognise('ID=ubuntu\nVERSION_ID="24.04"\n') == SUPPORTED[("ubuntu", "24.04")]
    assert recognise('ID=debian\nVERSION_ID="11"\n') is None


def test_a_release_checks_the_host_with_the_settings_to_be() -> None:
    plain = release_preflight(knobs(), "/opt/appliance/releases/1.0")
    assert plain == "env APPLIANCE_STATUS_PORT=8642 /opt/appliance/releases/1.0/venv/bin/appliance preflight"
    given = {
        "dashboard_url": "https://dashboard.internal",
        "preflight_in_spite_of": "memory, docker access",
        "http_proxy": "http://proxy.internal:3128",
    }
    named = release_preflight(knobs(**given), "/r")
    assert "APPLIANCE_DASHBOARD_URL=https://dashboard.internal" in named
    assert named.endswith(
        "/r/venv/bin/appliance preflight --in-spite-of memory --in-spite-of 'docker access'"
    )
    assert "proxy" not in named


def test_who_is_notified_stands_in_the_settings_where_the_deploy_says_so(tmp_path: Path) -> None:
    path = tmp_path / "appliance.yaml"
    phone = {"name": "phone", "by": "ntfy", "url": "https://ntfy.example.com/appliance"}
    path.write_text(settings_file(knobs(notify={"addresses": [phone]})))
    [address] = load_settings(path, {}).notify.addresses
    assert (address.name, address.by) == ("phone", "ntfy")
    assert "notify" not in settings_file(knobs())
