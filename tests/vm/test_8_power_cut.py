"""A machine whose power is cut at random moments of an update comes to one of the two releases, whole.

One cut; ``APPLIANCE_TEST_POWER_CUTS`` sets another number, ``APPLIANCE_TEST_POWER_SEED`` the moments.
Every process of the host dies at once. What it had written stays: no writes are lost, as on a real disk.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.vm.conftest import Appliance
from tests.vm.container_host import docker
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import make_sample, put_workflow
from tests.vm.test_5_update import FOLDER, ROOT, SERVICES, SETTINGS, ask_for, copy_release, current, outcome

CUTS = int(os.environ.get("APPLIANCE_TEST_POWER_CUTS", "1"))
SEED = int(os.environ.get("APPLIANCE_TEST_POWER_SEED") or random.randrange(10**6))
VERSIONS = ("0.1.20", "0.1.21")


@pytest.fixture(scope="module")
def two_releases(appliance: Appliance) -> Iterator[Appliance]:
    """A machine with a workflow and two releases, without a grace period."""
    if appliance.vm.container is None:
        pytest.skip("only a host that is a container is cut off from here")
    for version in VERSIONS:
        copy_release(appliance, version)
    appliance.vm.sudo(f"cp -a {SETTINGS} /root/settings.uncut && sed -i '/^releases:/d' {SETTINGS}")
    appliance.vm.sudo(f"echo 'releases: {{watch_minutes: 0}}' >> {SETTINGS}")
    make_sample(appliance)
    put_workflow(appliance)
    yield appliance
    appliance.vm.sudo(f"mv /root/settings.uncut {SETTINGS}")


def state_of(appliance: Appliance) -> str:
    return appliance.vm.sudo(f'grep -o \'"state":"[a-z_]*"\' {ROOT}/.update/update.json || true', check=False)


def cut_and_start(appliance: Appliance) -> None:
    name = appliance.vm.container
    assert name is not None
    docker("kill", "--signal", "KILL", name)
    docker("start", name)
    appliance.vm.wait_until_up()


def test_an_update_that_loses_its_power_comes_to_its_end(two_releases: Appliance) -> None:
    moments = random.Random(SEED)
    ask_for(two_releases, VERSIONS[0])
    began = time.monotonic()
    assert outcome(two_releases)["result"] == "done"
    undisturbed = time.monotonic() - began
    for cut in range(CUTS):
        former = current(two_releases)
        wanted = next(version for version in VERSIONS if version != former)
        # A release that has failed twice would wait for a person.
        two_releases.vm.sudo(f"rm -f {ROOT}/.update/failures.json")
        at = moments.uniform(0, undisturbed)
        ask_for(two_releases, wanted)
        time.sleep(at)
        was = state_of(two_releases)
        said = f"cut {cut} of seed {SEED}, {at:.1f} of {undisturbed:.1f} s, at {was or 'no state'}"
        print(said)  # noqa: T201 - which moments were met
        cut_and_start(two_releases)
        answer = outcome(two_releases)
        # systemd is the first of the container's processes to die: a command of it that fails in that moment
        # ends the move the other way, as whole.
        is_back = answer["result"] == "failed" and "systemctl" in answer["message"]
        assert answer["result"] == "done" or is_back, f"{said}: {answer}"
        runs = former if is_back else wanted
        assert current(two_releases) == runs, said
        assert "update.json" not in two_releases.vm.sudo(f"ls {ROOT}/.update; ls {FOLDER}"), said
        assert "wanted.json" not in two_releases.vm.sudo(f"ls {FOLDER}"), said
        wait_until(two_releases, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")
        units = two_releases.vm.sudo("cat /etc/systemd/system/appliance-status.service")
        assert f"release {runs}" in units, said
        assert "probe" not in two_releases.vm.sudo("ls /var/lib/appliance/runs"), said
    make_sample(two_releases)
    run = run_workflow(two_releases)
    assert run["state"] == "succeeded", run
    assert_masked_twin(two_releases)
