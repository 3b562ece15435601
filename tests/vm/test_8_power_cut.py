"""A machine whose power is cut at random moments of an update comes to one of the two releases, whole.

One cut; ``APPLIANCE_TEST_POWER_CUTS`` sets another number, ``APPLIANCE_TEST_POWER_CUTS_A_MOVE`` how many of
them may meet one move, and ``APPLIANCE_TEST_POWER_SEED`` the moments. Every process of the host dies at once.
What it had written stays: no writes are lost, as on a real disk.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.vm.conftest import Appliance
from tests.vm.container_host import docker
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import make_sample, packed, put_workflow
from tests.vm.test_5_update import (
    FOLDER,
    ROOT,
    SERVICES,
    SETTINGS,
    ask_for,
    copy_release,
    current,
    outcome,
    watch_for,
)

CUTS = int(os.environ.get("APPLIANCE_TEST_POWER_CUTS", "1"))
CUTS_A_MOVE = int(os.environ.get("APPLIANCE_TEST_POWER_CUTS_A_MOVE", "1"))
SEED = int(os.environ.get("APPLIANCE_TEST_POWER_SEED") or random.randrange(10**6))
VERSIONS = ("0.1.20", "0.1.21")
ASKED = "asked"
STATES = ("installing", "saving", "switching", "proving", "probing", "watching", "settling", "done")
"""In their order. Some last for the blink of an eye, which a time by the clock would hardly ever meet."""
OTHER_WAY = ("rolling_back", "failed")
LATEST_S = 12.0
"""The power is cut so long after a state is reached, at most; mostly far sooner."""
TIMER = "/etc/systemd/system/appliance-update.timer.d"
SOON = "[Timer]\nOnBootSec=\nOnBootSec=5s\nOnCalendar=*:0/10\nRandomizedDelaySec=0\n"


@pytest.fixture(scope="module")
def machine(appliance: Appliance) -> Iterator[Appliance]:
    """A machine with a workflow, without a grace period, which looks for an update soon after a boot."""
    if appliance.vm.container is None:
        pytest.skip("only a host that is a container is cut off from here")
    appliance.vm.sudo(f"cp -a {SETTINGS} /root/settings.uncut")
    watch_for(appliance, minutes=0)
    appliance.vm.sudo(f"mkdir -p {TIMER} && printf %s {packed(SOON)} | base64 -d > {TIMER}/soon.conf")
    make_sample(appliance)
    put_workflow(appliance)
    yield appliance
    appliance.vm.sudo(f"mv /root/settings.uncut {SETTINGS}; rm -r {TIMER}; systemctl daemon-reload")


def inside(appliance: Appliance, *command: str) -> str:
    """What a command prints on the host, which may be booting and have no ssh yet."""
    assert appliance.vm.container is not None
    return docker("exec", appliance.vm.container, *command)


def state_of(appliance: Appliance) -> str:
    found = inside(appliance, "sh", "-c", f"cat {ROOT}/.update/update.json || true")
    return str(json.loads(found)["state"]) if found else "no state"


def wait_for_state(appliance: Appliance, state: str) -> None:
    """Wait until the update has come so far, or is over."""
    if state == ASKED:
        return
    passed = "|".join((*STATES[STATES.index(state) :], *OTHER_WAY))
    reached = f"""grep -sqE '"state":"({passed})"' {ROOT}/.update/update.json"""
    loop = f"until {reached} || test -e {FOLDER}/outcome.json; do sleep 0.1; done"
    inside(appliance, "timeout", "600", "sh", "-c", loop)


def cut_and_start(appliance: Appliance) -> None:
    assert appliance.vm.container is not None
    docker("kill", "--signal", "KILL", appliance.vm.container)
    docker("start", appliance.vm.container)


def test_an_update_that_loses_its_power_comes_to_its_end(machine: Appliance) -> None:
    moments = random.Random(SEED)
    left = CUTS
    while left:
        former = current(machine)
        wanted = next(version for version in VERSIONS if version != former)
        if machine.vm.ssh(f"test -e {ROOT}/releases/{wanted}", check=False).returncode != 0:
            copy_release(machine, wanted)
        # A release that has failed twice would wait for a person.
        machine.vm.sudo(f"rm -f {ROOT}/.update/failures.json")
        ask_for(machine, wanted)
        cut_at = f"seed {SEED}, {former} to {wanted}"
        for _ in range(min(left, moments.randint(1, CUTS_A_MOVE))):
            state, after = moments.choice((ASKED, *STATES)), LATEST_S * moments.random() ** 3
            wait_for_state(machine, state)
            time.sleep(after)
            cut_at += f", {after:.2f} s after {state} at {state_of(machine)}"
            print(f"{CUTS - left}: {cut_at}", flush=True)  # noqa: T201 - which moments were met
            cut_and_start(machine)
            left -= 1
        machine.vm.wait_until_up()
        comes_to_its_end(machine, former, wanted, cut_at)
    make_sample(machine)
    run = run_workflow(machine)
    assert run["state"] == "succeeded", run
    assert_masked_twin(machine)


def comes_to_its_end(machine: Appliance, former: str, wanted: str, cut_at: str) -> None:
    """By itself, at one of the two releases, with nothing left of the way."""
    answer = outcome(machine)
    # systemd is the first of the container's processes to die: a command of it that fails in that moment
    # ends the move the other way, as whole. So does a release under which it stopped again and again.
    is_back = answer["result"] == "failed" and any(
        why in answer["message"] for why in ("systemctl", "stopped again and again")
    )
    assert answer["result"] == "done" or is_back, f"{cut_at}: {answer}"
    runs = former if is_back else wanted
    assert current(machine) == runs, cut_at
    assert "update.json" not in machine.vm.sudo(f"ls {ROOT}/.update; ls {FOLDER}"), cut_at
    assert "wanted.json" not in machine.vm.sudo(f"ls {FOLDER}"), cut_at
    wait_until(machine, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")
    units = machine.vm.sudo("cat /etc/systemd/system/appliance-status.service")
    # The release that was deployed has no such line.
    assert f"release {runs}" in units or (runs not in VERSIONS and "# release" not in units), cut_at
    assert "probe" not in machine.vm.sudo("ls /var/lib/appliance/runs"), f"{cut_at}: {answer}"
    assert machine.vm.sudo("systemctl --failed --no-legend") == "", cut_at
