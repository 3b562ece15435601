"""Preflight: what each check makes of facts of every kind, and what is found out on a real machine."""

from __future__ import annotations

import json
import platform
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from appliance.cli.host.preflight import app
from appliance.errors import WrongRequestError
from appliance.preflight.checks import CHECKS, run_checks
from appliance.preflight.facts import Dashboard, Disk, Docker, Facts, Key, Port, System
from appliance.preflight.gather import gather
from appliance.preflight.gather_storage import gather_disks, gather_keys, gather_ports
from appliance.preflight.gather_system import lacking_users
from appliance.settings.settings import load_settings
from appliance.system.findings import Finding, fail, failed, ok
from appliance.system.units import USERS

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WELL = Facts(
    installed=False,
    system=System(
        root=True,
        os_id="debian",
        os_version="13",
        os_name="Debian GNU/Linux 13 (trixie)",
        machine="x86_64",
        systemd=True,
        kernel="6.12.48+deb13-amd64",
        cores=4,
        memory_mb=8000,
        filesystems=frozenset({"ext4", "tmpfs"}),
        overlay_module=True,
        seccomp=True,
        nftables=True,
        cgroups=2,
        controllers=frozenset({"cpuset", "cpu", "io", "memory", "pids"}),
        locales=frozenset({"c", "c.utf8", "posix"}),
        clock_synchronised=True,
        entropy=256,
        selinux=None,
        apparmor=True,
    ),
    lacking_users=(),
    disks=(Disk(("/var/lib/appliance",), "ext4", 50_000, 20_000, 90.0),),
    fsync_ms=1.5,
    ports=(Port(8642, "the status service", "choose another status_port", False, None),),
    keys=(Key("/var/lib/appliance/keys/mask.key", 0o600, "appliance", 32, 30, 32),),
    docker=Docker(
        installed=True,
        answers=True,
        version="26.1.5",
        storage="overlay2",
        memory_limit=True,
        socket_mode=0o660,
        socket_group="docker",
        members=(),
        foreign=(),
    ),
    dashboard=Dashboard("https://dashboard.example.com", "", NOW, NOW),
    databases=(("production", (ok("port", "Something listens."),)),),
)


def found(name: str, facts: Facts) -> Finding:
    (finding,) = [each for each in run_checks(facts) if each.check == name]
    return finding


def system(**changes: Any) -> Facts:
    return replace(WELL, system=replace(WELL.system, **changes))


def docker(*, installed: bool = True, **changes: Any) -> Facts:
    return replace(WELL, installed=installed, docker=replace(WELL.docker, **changes))


def disk(free_mb: int, *, installed: bool = False, files: float = 90) -> Facts:
    return replace(WELL, installed=installed, disks=(Disk(("/var",), "ext4", 50_000, free_mb, files),))


def port(by: str | None, *, installed: bool = False) -> Facts:
    return replace(WELL, installed=installed, ports=(replace(WELL.ports[0], taken=True, by=by),))


def key(**changes: Any) -> Facts:
    return replace(WELL, keys=(replace(WELL.keys[0], **changes),))


def clock(off_s: float) -> Facts:
    its = NOW + timedelta(seconds=off_s)
    return replace(WELL, dashboard=Dashboard("https://dashboard.example.com", "", its, NOW))


def test_a_machine_that_is_well_passes_every_check() -> None:
    findings = run_checks(WELL)
    assert [finding for finding in findings if finding.state != "ok"] == []
    assert [finding.check for finding in findings] == [check.name for check in CHECKS]


CASES: list[tuple[str, Facts, str]] = [
    ("system", system(os_id="debian", os_version="12"), "ok"),
    ("system", system(os_id="ubuntu", os_version="24.04"), "ok"),
    ("system", system(os_id="ubuntu", os_version="22.04"), "fail"),
    ("system", system(os_id="", os_version="", os_name=""), "fail"),
    ("cpu", system(machine="riscv64"), "fail"),
    ("cpu", system(cores=1), "warn"),
    ("memory", system(memory_mb=1700), "fail"),
    ("memory", system(memory_mb=1900), "warn"),
    ("init", system(systemd=False), "fail"),
    ("kernel", system(kernel="4.19.0"), "fail"),
    ("kernel", system(kernel="5.4.0-1-cloud"), "ok"),
    ("kernel", system(kernel="custom"), "fail"),
    ("kernel", system(overlay_module=False), "fail"),
    ("kernel", system(overlay_module=False, filesystems=frozenset({"overlay"})), "ok"),
    ("kernel", system(seccomp=False), "fail"),
    ("cgroups", system(controllers=frozenset({"cpu", "pids"})), "fail"),
    ("disk space", disk(4000), "fail"),
    ("disk space", disk(4000, installed=True), "ok"),
    ("disk space", disk(500, installed=True), "fail"),
    ("disk space", disk(20_000, files=1), "warn"),
    ("disk speed", replace(WELL, fsync_ms=80), "warn"),
    ("disk speed", replace(WELL, fsync_ms=None), "warn"),
    ("ports", port("nginx.service"), "fail"),
    ("ports", port("python3"), "fail"),
    ("ports", port(None), "fail"),
    ("ports", port(None, installed=True), "ok"),
    ("ports", port("appliance-status.service", installed=True), "ok"),
    ("clock", system(clock_synchronised=False), "warn"),
    ("clock", system(clock_synchronised=None), "warn"),
    ("clock", clock(-31), "warn"),
    ("clock", clock(29), "ok"),
    ("randomness", system(entropy=40), "warn"),
    ("randomness", system(entropy=None), "ok"),
    ("keys", key(mode=0o640), "fail"),
    ("keys", key(size=31), "fail"),
    ("keys", key(distinct_bytes=2), "fail"),
    ("keys", key(distinct_bytes=None), "ok"),
    ("keys", replace(WELL, keys=()), "ok"),
    ("users", replace(WELL, lacking_users=("appliance-status",)), "ok"),
    ("users", replace(WELL, lacking_users=("appliance-status",), installed=True), "fail"),
    ("locale", system(locales=frozenset({"c", "posix"})), "warn"),
    ("locale", system(locales=None), "ok"),
    ("docker", docker(answers=False), "fail"),
    ("docker", docker(answers=False, installed=False), "ok"),
    ("docker", docker(memory_limit=False), "fail"),
    ("docker", docker(storage="vfs"), "warn"),
    ("docker access", docker(socket_mode=0o666), "fail"),
    ("docker access", docker(members=("deploy",)), "warn"),
    ("docker access", docker(socket_mode=None), "ok"),
    ("docker neighbours", docker(foreign=("grafana",)), "warn"),
    ("access control", system(selinux="enforcing"), "fail"),
    ("access control", system(selinux="permissive"), "ok"),
    ("access control", system(apparmor=False), "warn"),
    ("firewall", system(nftables=False), "warn"),
    ("firewall", system(nftables=None), "ok"),
    ("dashboard", replace(WELL, dashboard=None), "ok"),
    ("dashboard", replace(WELL, dashboard=Dashboard("https://d", "ConnectError", None, NOW)), "warn"),
    ("databases", replace(WELL, databases=None), "ok"),
    ("databases", replace(WELL, databases=(("p", (fail("port", "Nothing.", "Do."),)),)), "warn"),
]


@pytest.mark.parametrize(("name", "facts", "state"), CASES)
def test_a_check_judges_the_facts(name: str, facts: Facts, state: str) -> None:
    finding = found(name, facts)
    assert finding.state == state
    assert finding.what
    assert bool(finding.next_step) == (state != "ok"), "what is not well has a fix"


def test_every_check_is_shown_to_fail_or_warn_somewhere() -> None:
    assert {name for name, _, state in CASES if state != "ok"} == {check.name for check in CHECKS}
    assert all(check.why for check in CHECKS)


def test_a_check_that_is_named_lets_one_go_on_in_spite_of_it() -> None:
    facts = system(memory_mb=1000, machine="riscv64")
    assert {each.check for each in run_checks(facts) if each.state == "fail"} == {"cpu", "memory"}
    findings = run_checks(facts, ["memory"])
    assert {each.check for each in findings if each.state == "fail"} == {"cpu"}
    (memory,) = [each for each in findings if each.check == "memory"]
    assert (memory.state, memory.what) == (
        "warn",
        "There are 1000 MB of memory, and 1800 are needed. (Gone on in spite of it.)",
    )


def test_facts_of_this_machine_are_found_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours, socket.create_server(("127.0.0.1", 0)) as dashboard:
        environment = {
            "APPLIANCE_STATE_DIR": str(tmp_path / "state"),
            "APPLIANCE_CONFIG_DIR": str(tmp_path),
            "APPLIANCE_STATUS_PORT": str(ours.getsockname()[1]),
        }
        port_of_none = dashboard.getsockname()[1]
        dashboard.close()
        environment["APPLIANCE_DASHBOARD_URL"] = f"http://127.0.0.1:{port_of_none}"
        connections = tmp_path / "connections.yaml"
        connections.write_text(
            f"closed: {{host: 127.0.0.1, port: {port_of_none}, dbname: d, user: u, password: x}}\n"
            "unfilled: {host: changeme, dbname: d, user: u, password: changeme}\n"
        )
        connections.chmod(0o600)
        facts = gather(load_settings(environment=environment))
    assert facts.system.kernel == platform.release()
    assert facts.system.os_id
    assert facts.system.cores >= 1
    assert facts.system.memory_mb > 100
    assert {"memory", "pids"} <= facts.system.controllers
    assert facts.fsync_ms is not None
    assert facts.fsync_ms > 0
    assert facts.ports[0].taken
    assert facts.dashboard is not None
    assert facts.dashboard.problem == "nothing listens there"
    assert facts.databases is not None
    ((name, findings),) = facts.databases
    assert (name, findings[-1].check, findings[-1].state) == ("closed", "port", "fail")
    assert list(tmp_path.iterdir()) == [connections]
    assert len(run_checks(facts)) == len(CHECKS)


def test_a_dashboard_that_nobody_knows_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    environment = {
        "APPLIANCE_STATE_DIR": str(tmp_path),
        "APPLIANCE_CONFIG_DIR": str(tmp_path),
        "APPLIANCE_DASHBOARD_URL": "https://no-such-host.invalid",
    }
    facts = gather(load_settings(environment=environment))
    assert facts.dashboard is not None
    assert facts.dashboard.problem == "no address is known for its name"


def test_a_port_is_free_or_taken_by_somebody_who_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (seen,) = gather_ports([(number, "a test", "choose another")])
        assert seen.taken
        assert seen.by
    (seen,) = gather_ports([(number, "a test", "choose another")])
    assert not seen.taken


def test_paths_on_one_file_system_are_one_disk(tmp_path: Path) -> None:
    disks = gather_disks([tmp_path, tmp_path / "not" / "there", Path("/proc/self")])
    assert disks[0].paths == (str(tmp_path), str(tmp_path / "not" / "there"))
    assert 0 < disks[0].free_mb <= disks[0].total_mb
    assert disks[1].kind == "proc"


def test_keys_are_looked_at_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "mask.key"
    path.write_bytes(b"\0" * 32)
    path.chmod(0o604)
    (seen,) = gather_keys(tmp_path, {"mask.key": 32})
    assert (seen.mode, seen.size, seen.distinct_bytes, seen.wanted_bytes) == (0o604, 32, 1, 32)
    assert gather_keys(tmp_path / "nowhere", {}) == ()


def test_the_command_prints_what_it_found_and_exits_by_it(tmp_path: Path) -> None:
    environment = {"APPLIANCE_STATE_DIR": str(tmp_path), "APPLIANCE_CONFIG_DIR": str(tmp_path)}
    result = CliRunner().invoke(app, ["--json"], env=environment)
    report = json.loads(result.stdout)
    assert [each["check"] for each in report["findings"]] == [check.name for check in CHECKS]
    assert report["ok"] is (result.exit_code == 0)
    everything = [argument for check in CHECKS for argument in ("--in-spite-of", check.name)]
    result = CliRunner().invoke(app, everything, env=environment)
    assert result.exit_code == 0
    assert "fail" not in [line.split()[0] for line in result.stdout.splitlines()]
    assert isinstance(CliRunner().invoke(app, ["--in-spite-of", "disc"]).exception, WrongRequestError)


def test_the_checks_can_be_listed_with_their_reasons() -> None:
    lines = CliRunner().invoke(app, ["--explain"]).stdout.splitlines()
    assert len(lines) == len(CHECKS) + 1
    assert failed([fail("x", "y", "z")])


def test_the_users_that_preflight_looks_for_are_those_that_the_units_run_as() -> None:
    units = (Path(__file__).parents[2] / "systemd").glob("*.service")
    users = {line[5:] for unit in units for line in unit.read_text().splitlines() if line.startswith("User=")}
    assert users - {"root"} == set(USERS)
    assert lacking_users(("root", "no-such-user")) == ("no-such-user",)
