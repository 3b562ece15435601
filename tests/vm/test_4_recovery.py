"""What happens to an appliance, and what it does about it by itself."""

from __future__ import annotations

import json
import time

from tests.vm.conftest import Appliance
from tests.vm.running import assert_masked_twin, run_workflow, runs, start, wait_until
from tests.vm.sample_database import make_sample, put_workflow

AWAY_S = 60
SERVICES = "appliance-scheduler appliance-dag-processor appliance-api-server appliance-status"
RUNNING = f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4"


def test_a_minute_without_postgresql_and_docker_needs_no_person(appliance: Appliance) -> None:
    make_sample(appliance)
    put_workflow(appliance)
    postgres = appliance.vm.sudo(
        'systemctl list-units --plain --no-legend "postgresql@*-appliance*"'
    ).split()[0]
    docker = "docker.socket docker.service"
    began = time.monotonic()
    # Masked too: the scheduler, which tries to come back, asks systemd for Docker each time.
    appliance.vm.sudo(f"systemctl mask --runtime {docker} && systemctl stop {docker} {postgres}")
    try:
        for part in ("postgres", "docker"):
            wait_until(appliance, f'appliance status --json | grep -q "{part}: does not answer"')
        time.sleep(max(0, began + AWAY_S - time.monotonic()))
        assert appliance.host.service("appliance-status").is_running
        reasons = " ".join(json.loads(appliance.vm.sudo("appliance status --json || true"))["reasons"])
        assert "postgres: does not answer" in reasons and "docker: does not answer" in reasons
    finally:
        appliance.vm.sudo(f"systemctl unmask --runtime {docker} && systemctl start {postgres} {docker}")
    wait_until(appliance, RUNNING)
    run = run_workflow(appliance)
    assert run["state"] == "succeeded", run


def test_a_scheduler_that_hangs_is_replaced_by_the_watchdog(appliance: Appliance) -> None:
    folder = "/run/systemd/system/appliance-scheduler.service.d"
    appliance.vm.sudo(f'mkdir -p {folder} && printf "[Service]\\nWatchdogSec=12\\n" > {folder}/soon.conf')
    appliance.vm.sudo("systemctl daemon-reload && systemctl restart appliance-scheduler")
    restarts = appliance.vm.sudo("systemctl show -p NRestarts --value appliance-scheduler")
    # The scheduler's own process stands still; its supervisor does not, and must not vouch for it.
    appliance.vm.sudo('pkill -STOP -f "[p]atches scheduler"')
    wait_until(
        appliance,
        f"test $(systemctl show -p NRestarts --value appliance-scheduler) -gt {restarts} && {RUNNING}",
    )
    assert (
        "watchdog"
        in appliance.vm.sudo("journalctl -u appliance-scheduler --no-pager | grep -i watchdog").lower()
    )
    appliance.vm.sudo(f"rm -r {folder} && systemctl daemon-reload && systemctl restart appliance-scheduler")


def test_after_a_reboot_in_the_middle_of_a_run_everything_is_back_and_the_twin_intact(
    appliance: Appliance,
) -> None:
    run_id = start(appliance, "vm-twin")
    wait_until(appliance, 'test -n "$(docker ps --quiet --filter label=appliance.run)"')
    appliance.vm.reboot()
    wait_until(appliance, RUNNING)
    assert_masked_twin(appliance)
    wait_until(appliance, f'appliance runs {run_id} --json | grep -qE "succeeded|failed"')
    run = run_workflow(appliance)
    assert run["state"] == "succeeded", run
    assert_masked_twin(appliance)
    # All runs are over, those that earlier tests had refused among them.
    assert {each["state"] for each in runs(appliance)} <= {"succeeded", "failed", "refused"}
    assert appliance.vm.sudo("systemctl --failed --no-legend") == ""
