"""One host from nothing, and six moves of it: releases that a vendor signs, and that its dashboard wishes.

Run only where ``APPLIANCE_TEST_RELEASES_IN_A_ROW`` is set: it takes a host of its own, and many minutes.
``pytest -s`` prints how long each move was without a scheduler, and how long each way back took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import appliance
from tests.dashboard.running import RunningDashboard, running_dashboard
from tests.vm.certificate_authority import make_server
from tests.vm.conftest import SAMPLE_ADDRESS
from tests.vm.container_host import ContainerHost, Vm, docker
from tests.vm.package_proxy import MIRROR, PackageProxy
from tests.vm.repacking import variation
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import SAMPLE_PORT, make_sample, packed, put_workflow, sql
from tests.vm.test_5_update import (
    FOLDER,
    ROOT,
    SERVICES,
    assert_no_trace_of_a_probe,
    current,
    outcome,
    watch_for,
)

ASKED_FOR = "APPLIANCE_TEST_RELEASES_IN_A_ROW"
pytestmark = pytest.mark.skipif(ASKED_FOR not in os.environ, reason=f"{ASKED_FOR} is not set")

A = appliance.__version__
B, C, D, E = (f"{A.rsplit('.', 1)[0]}.{90 + number}" for number in range(4))
_LEAK = f"""
def _leak():
    import time, pathlib
    held, probed = [], pathlib.Path("{FOLDER}/probe.json")
    while True:
        time.sleep(0.1)
        if probed.exists() and "{E}" in probed.read_text():
            held.append(b"x" * (8 << 20))
__import__("threading").Thread(target=_leak, daemon=True).start()
"""
"""As soon as the release has come through its probe, the status service grows until it is killed."""
WRONG = {
    C: {"appliance/orchestration/airflow/executor.py": "raise SystemExit"},
    D: {"appliance/orchestration/airflow/operators/step_operators.py": "step_mounts = lambda *_, **__: []"},
    E: {"appliance/status/service.py": _LEAK},
}
EVERY_MINUTE = "[Timer]\nOnCalendar=\nOnCalendar=*:*\nRandomizedDelaySec=0\n"


@dataclass
class Site:
    """The host, the vendor's dashboard, and what it calls this appliance."""

    vm: Vm
    passwords: dict[str, str]
    dashboard: RunningDashboard
    appliance_id: str
    token: str

    def wish(self, version: str) -> None:
        self.vm.sudo(f"rm -f {FOLDER}/outcome.json")
        with self.dashboard.client(self.token) as client:
            path = f"/v1/appliances/{self.appliance_id}"
            client.patch(path, json={"wanted_version": version}).raise_for_status()

    def shown(self) -> dict[str, Any]:
        with self.dashboard.client(self.token) as client:
            answer = client.get(f"/v1/appliances/{self.appliance_id}").raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def published(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed repository with all five, as the vendor's commands make it."""
    folder = tmp_path_factory.mktemp("vendor")
    release("init", folder=folder)
    for version in (A, B, C, D, E):
        made = variation(bundle, version, folder, appended=WRONG.get(version, {}))
        release("add", str(made), "--channel", "stable", folder=folder)
        made.unlink()
    release("publish", str(folder / "public"), folder=folder)
    return folder / "public"


def release(*command: str, folder: Path) -> None:
    where = ["--repository", str(folder / "repository"), "--keys", str(folder / "keys")]
    program = Path(sys.executable).with_name("appliance-release")
    subprocess.run([program, *command, *where], check=True, capture_output=True)


@pytest.fixture(scope="module")
def site(published: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A bare host, and a dashboard that it reaches over TLS."""
    folder = tmp_path_factory.mktemp("site")
    machine = ContainerHost("13", key)
    gateway = machine.vm.gateway
    assert gateway
    proxy = PackageProxy(gateway, "site", "word")
    try:
        authority, chain = make_server(folder, gateway)
        served = {"DASHBOARD_RELEASES": str(published), "DASHBOARD_HEARTBEAT_SECONDS": "5"}
        with running_dashboard(folder, host=gateway, tls=chain, **served) as dashboard:
            token = dashboard.command("create-token", "vendor", "--role", "editor")
            yield installed(machine.vm, dashboard, token, authority, proxy)
    finally:
        proxy.close()
        machine.remove()


def installed(vm: Vm, dashboard: RunningDashboard, token: str, authority: Path, proxy: PackageProxy) -> Site:
    """The two commands that the dashboard prints, with what this network needs behind the first."""
    with dashboard.client(token) as client:
        added = client.post("/v1/appliances", json={"name": "Hospital West"}).raise_for_status().json()
    site = Site(
        vm, {"source": "source-word", "target": "target-word"}, dashboard, added["appliance_id"], token
    )
    shared = {"type": "postgres", "host": SAMPLE_ADDRESS, "port": SAMPLE_PORT, "sslmode": "disable"}
    connections = {
        "production": shared | {"dbname": "shop", "user": "reader", "password": site.passwords["source"]},
        "staging": shared
        | {"dbname": "shop_twin", "user": "twin_owner", "password": site.passwords["target"]},
    }
    put(vm, "/root/connections.yaml", json.dumps(connections))
    put(vm, "/root/proxy-word", "site:word\n")
    put(vm, "/root/site-ca.pem", authority.read_text())
    # A dashboard on the internet has a certificate that every machine trusts.
    put(vm, "/usr/local/share/ca-certificates/vendor.crt", authority.read_text())
    vm.sudo("chmod 644 /usr/local/share/ca-certificates/vendor.crt && update-ca-certificates")
    knobs = {
        "connections_file": "/root/connections.yaml",
        "site_ca": "/root/site-ca.pem",
        "http_proxy": proxy.url,
        "http_proxy_credentials_file": "/root/proxy-word",
        "no_proxy": f"localhost,127.0.0.1,::1,{vm.gateway}",
        "package_mirror": f"http://{MIRROR}/debian",
        "package_mirror_security": f"http://{MIRROR}/debian-security",
        "steps_memory_mb": "1024",
        "firewall_allow_from_steps_tcp": f"[{SAMPLE_PORT}]",
        "release_watch_minutes": "1",
    }
    more = " ".join(f"--data '{name}={value}'" for name, value in knobs.items())
    put(vm, "/root/pasted", f"cd /root\n{added['install_command']} {more}\n")
    vm.sudo("sh /root/pasted 2>&1")
    vm.sudo(added["enrol_command"])
    return site


def put(vm: Vm, path: str, text: str) -> None:
    assert vm.container
    docker("exec", "--interactive", vm.container, "sh", "-c", f"umask 077; cat > {path}", text=text)


def test_from_nothing_it_is_installed_from_the_repository_and_does_its_work(site: Site) -> None:
    assert current(site) == A
    note = json.loads(site.vm.sudo(f"cat {ROOT}/trust/verified/{A}.json"))
    assert (note["how"], note["channel"]) == ("repository", "stable")
    make_sample(site)
    put_workflow(site)
    assert run_workflow(site)["state"] == "succeeded"
    assert_masked_twin(site)
    put(site.vm, "/root/pseudonyms", pseudonyms(site))


def pseudonyms(site: Site) -> str:
    """A digest of every masked value, in the order of the rows."""
    return sql(site, "SELECT md5(string_agg(name || email, ',' ORDER BY id)) FROM customer", "shop_twin")


def test_what_the_dashboard_wishes_is_moved_to_in_the_owners_window(site: Site) -> None:
    folder = "/etc/systemd/system/appliance-update.timer.d"
    site.vm.sudo(f"mkdir {folder} && printf %s {packed(EVERY_MINUTE)} | base64 -d > {folder}/often.conf")
    site.vm.sudo("systemctl daemon-reload && systemctl restart appliance-update.timer")
    window(site, "+10 hours", "+11 hours")
    site.wish(B)
    wait_until(site, f'journalctl -o cat -u appliance-update | grep -q "{B} waits for the update window"')
    assert current(site) == A and site.vm.sudo(f"ls {ROOT}/releases") == A
    window(site, "-5 minutes", "+5 hours")
    answer = outcome(site)
    assert (answer["version"], answer["result"]) == (B, "done"), answer
    assert current(site) == B
    wait_until_shown(site, B)
    tell(site, "without a scheduler", without_scheduler(site))


def window(site: Site, opens: str, closes: str) -> None:
    """The owner's, by the clock of the host."""
    at = [site.vm.sudo(f'date --date "{moment}" +%H:%M') for moment in (opens, closes)]
    written = packed(f'updates: {{window: "{at[0]}-{at[1]}"}}')
    policy = "/etc/appliance/policy.yaml"
    site.vm.sudo(f"printf %s {written} | base64 -d > {policy} && chmod 644 {policy}")


def wait_until_shown(site: Site, version: str) -> None:
    """The dashboard hears of it with one of the next heartbeats."""
    give_up = time.monotonic() + 600
    while (shown := site.shown()["appliance"])["version"] != version:
        assert time.monotonic() < give_up, shown
        time.sleep(1)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        pytest.param(C, ("Does not stay up",), id="broken at its start"),
        pytest.param(
            D, ("The tiny run of the probe failed. In the step open_snapshot: ",), id="only in its probe"
        ),
        # systemd reports the kernel's kills only where the kernel has the second version of control groups.
        pytest.param(E, ("Takes more memory", "Does not stay up: appliance-status"), id="leaks memory"),
    ],
)
def test_a_release_that_does_not_work_is_left_by_itself(
    site: Site, version: str, why: tuple[str, ...]
) -> None:
    if version == E:
        watch_for(site, minutes=30)
    site.wish(version)
    answer = outcome(site)
    assert (answer["version"], answer["result"]) == (version, "failed"), answer
    assert any(said in answer["message"] for said in why) and f"{B} runs again" in answer["message"], answer
    assert ("It had proven itself" in answer["message"]) is (version == E)
    assert current(site) == B
    wait_until(site, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")
    failures = json.loads(site.vm.sudo(f"cat {ROOT}/.update/failures.json"))
    assert failures[version]["times"] == 1
    assert_no_trace_of_a_probe(site)
    tell(site, f"{version}: back after the judgement", back_after_judgement(site, version))


def test_a_machine_that_is_pinned_goes_down_and_no_wish_leads_it_up_again(site: Site) -> None:
    watch_for(site, minutes=1)
    # By hand nothing waits for an updater that still clears up.
    wait_until(site, "systemctl show -p ActiveState --value appliance-update.service | grep -q inactive")
    site.vm.sudo(f"rm -f {FOLDER}/outcome.json && appliance release pin {A}")
    # Releases that failed were moved to since, so it is no longer here, and is fetched.
    site.vm.sudo(f"appliance release apply {A}")
    assert outcome(site)["result"] == "done"
    assert current(site) == A
    tell(site, "down, without a scheduler", without_scheduler(site))
    wait_until_shown(site, A)
    site.wish(B)
    wait_until(site, f'journalctl -o cat -u appliance-update | grep -q "{B} waits: .*pin"')
    assert current(site) == A


def test_after_all_that_the_same_workflow_gives_the_same_pseudonyms(site: Site) -> None:
    assert run_workflow(site)["state"] == "succeeded"
    assert_masked_twin(site)
    assert pseudonyms(site) == site.vm.sudo("cat /root/pseudonyms")
    assert site.vm.sudo("systemctl --failed --no-legend") == ""


def journal(site: Site) -> list[tuple[float, str]]:
    """When, and what: of the updater, of the watch, and of systemd about the services."""
    units = " ".join(f"-u {unit}" for unit in (*SERVICES.split(), "appliance-update", "appliance-watch"))
    lines = site.vm.sudo(f"journalctl {units} --no-pager -o json --output-fields=MESSAGE").splitlines()
    found = (json.loads(line) for line in lines)
    return [(int(each["__REALTIME_TIMESTAMP"]) / 1e6, str(each.get("MESSAGE"))) for each in found]


def without_scheduler(site: Site) -> float:
    """Seconds from the last order to stop the scheduler until one is proven, and whom tasks report to."""
    lines = journal(site)
    stopped = [at for at, said in lines if said.startswith("Stopping appliance-scheduler")][-1]
    return started(lines, stopped, ("appliance-scheduler", "appliance-api-server")) - stopped


def started(lines: list[tuple[float, str]], since: float, units: Sequence[str]) -> float:
    """When the last of them had proven that it works, for the first time since then."""
    return max(
        next(at for at, said in lines if at > since and said.startswith(f"Started {unit}")) for unit in units
    )


def back_after_judgement(site: Site, version: str) -> float:
    """Seconds from the judgement until every service of the former release has proven that it works."""
    lines = journal(site)
    judged = [at for at, said in lines if said.endswith(f"{version}: rolling back")][-1]
    return started(lines, judged, SERVICES.split()) - judged


def tell(site: Site, what: str, seconds: float) -> None:
    print(f"\n{what}: {seconds:.1f} s", flush=True)  # noqa: T201 - what the documents say was read here
