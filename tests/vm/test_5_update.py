"""Moving the appliance to another release and back: through the unit that does it, on the host itself."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.vm.conftest import Appliance
from tests.vm.container_host import Deployed
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import make_sample, packed, put_workflow

FOLDER = "/var/lib/appliance/update"
ROOT = "/opt/appliance"
SETTINGS = "/etc/appliance/appliance.yaml"
SERVICES = "appliance-scheduler appliance-dag-processor appliance-api-server appliance-status"


@pytest.fixture(scope="module")
def releases(appliance: Appliance) -> Iterator[Appliance]:
    """Two releases: the one that was deployed, and a later one."""
    copy_release(appliance, "0.1.9")
    # The grace period is half an hour otherwise, and what goes before it half a minute at each start.
    appliance.vm.sudo(f"cp -a {SETTINGS} /root/settings.before")
    watch_for(appliance, minutes=1)
    yield appliance
    appliance.vm.sudo(f"mv /root/settings.before {SETTINGS}")


def watch_for(appliance: Deployed, *, minutes: int) -> None:
    """Set the grace period, whatever stands in the settings."""
    said = f"releases: {{watch_minutes: {minutes}, steady_seconds: 5}}"
    appliance.vm.sudo(f"sed -i '/^releases:/d' {SETTINGS} && echo '{said}' >> {SETTINGS}")


def copy_release(appliance: Deployed, version: str) -> None:
    """Another release of the same contents: its version and the paths in it are all that differs."""
    new, old = f"{ROOT}/releases/{version}", "$(readlink /opt/appliance/current)"
    appliance.vm.sudo(
        f"rm -rf {new} && cp -a {old} {new} && was=$(basename {old}) && "
        f'grep -rlI "releases/$was/" {new}/venv/bin | xargs sed -i "s,releases/$was/,releases/{version}/," '
        "&& "
        f"sed -i 's/^__version__ = .*/__version__ = \"{version}\"/' "
        f"{new}/venv/lib/python3*/site-packages/appliance/__init__.py && "
        f'sed -i "s,appliance-step:$was,appliance-step:{version}," {new}/manifest.json && '
        f"docker tag appliance-step:$was appliance-step:{version} && "
        f"echo '# release {version}' >> {new}/systemd/appliance-status.service"
    )


def ask_for(appliance: Deployed, version: str) -> None:
    """As the status service does, and as its user."""
    asked = {"version": version, "requested_at": "2026-01-01T00:00:00Z", "command_id": version}
    written = packed(json.dumps(asked))
    as_service = "runuser -u appliance --"
    appliance.vm.sudo(
        f"rm -f {FOLDER}/outcome.json && echo {written} | base64 -d"
        f" | {as_service} tee {FOLDER}/.w > /dev/null"
        f" && {as_service} mv {FOLDER}/.w {FOLDER}/wanted.json"
    )


def outcome(appliance: Deployed) -> dict[str, str]:
    """What was answered, once it is."""
    wait_until(appliance, f"test -e {FOLDER}/outcome.json")
    wait_until(appliance, f"test ! -e {ROOT}/.update/update.json")
    answer: dict[str, str] = json.loads(
        appliance.vm.sudo(f"runuser -u appliance -- cat {FOLDER}/outcome.json")
    )
    return answer


def current(appliance: Deployed) -> str:
    return appliance.vm.sudo("basename $(readlink /opt/appliance/current)")


def test_a_wanted_release_is_switched_to_and_does_the_same_work(releases: Appliance) -> None:
    make_sample(releases)
    put_workflow(releases)
    ask_for(releases, "0.1.9")
    # Its grace period is a time like any other: runs begin in it.
    wait_until(
        releases, f"grep -sq state...watching {ROOT}/.update/update.json || test -e {FOLDER}/outcome.json"
    )
    run = run_workflow(releases)
    assert run["state"] == "succeeded", run
    assert_masked_twin(releases)
    answer = outcome(releases)
    assert (answer["result"], answer["command_id"]) == ("done", "0.1.9"), answer
    assert current(releases) == "0.1.9"
    assert "0.1.9" in releases.vm.ssh("appliance --version").stdout
    assert "release 0.1.9" in releases.vm.sudo("cat /etc/systemd/system/appliance-status.service")
    assert releases.vm.sudo(f"test ! -e {FOLDER}/wanted.json && ls {ROOT}/.update") == "lock"
    proven = releases.vm.sudo("journalctl -o cat -u appliance-update.service")
    assert "0.1.9: probing" in proven and "0.1.9: watching" in proven
    assert_no_trace_of_a_probe(releases)


def assert_no_trace_of_a_probe(appliance: Deployed) -> None:
    assert "probe" not in appliance.vm.sudo("ls /var/lib/appliance/runs /run/appliance")
    assert "probe" not in appliance.vm.sudo("appliance runs --json")
    assert appliance.vm.sudo("docker ps --all --quiet --filter label=appliance.workflow=probe") == ""
    assert appliance.vm.sudo("pgrep -fc '[l]ook.probe' || true") == "0"


def test_a_release_whose_steps_do_not_get_what_they_need_is_left_by_its_probe(releases: Appliance) -> None:
    """Its services work and its step images begin: only a run shows it."""
    former = current(releases)
    copy_release(releases, "0.1.12")
    airflow = f"{ROOT}/releases/0.1.12/venv/lib/python3*/site-packages/appliance/orchestration/airflow"
    releases.vm.sudo(
        f"echo step_mounts = lambda \\*_, \\*\\*__: [] >> $(echo {airflow}/operators/step_operators.py)"
    )
    releases.vm.sudo(f"rm -f {FOLDER}/outcome.json")
    left = releases.vm.ssh("sudo appliance release use 0.1.12", check=False)
    assert left.returncode == 1, left
    assert "The tiny run of the probe failed. In the step open_snapshot: " in " ".join(left.stderr.split())
    assert f"{former} runs again" in " ".join(left.stderr.split())
    assert current(releases) == former
    failures = json.loads(releases.vm.sudo(f"cat {ROOT}/.update/failures.json"))
    assert failures["0.1.12"]["times"] == 1
    assert_no_trace_of_a_probe(releases)
    wait_until(releases, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")


def test_policy_is_asked_before_a_release_is_touched(releases: Appliance) -> None:
    policy = "/etc/appliance/policy.yaml"
    releases.vm.sudo(f"printf 'updates: {{pin: 0.1.9}}' > {policy} && chmod 644 {policy}")
    try:
        ask_for(releases, "0.1.0")
        answer = outcome(releases)
        assert answer["result"] == "refused"
        assert "0.1.9" in answer["message"]
        done = releases.vm.ssh("sudo appliance release use 0.1.0", check=False)
        assert done.returncode == 3
        assert "updates.pin" in done.stderr
    finally:
        releases.vm.sudo(f"rm {policy}")
    assert current(releases) == "0.1.9"


def test_a_release_that_does_not_work_is_left_again_even_when_the_move_is_killed(
    releases: Appliance,
) -> None:
    listed = json.loads(releases.vm.ssh("appliance release list --json").stdout)
    assert [each["version"] for each in listed if each["current"]] == ["0.1.9"]
    assert releases.vm.ssh("appliance release use 0.1.10", check=False).returncode == 2
    # Its scheduler cannot start.
    copy_release(releases, "0.1.10")
    broken = f"{ROOT}/releases/0.1.10/venv/lib/python3*/site-packages/appliance/orchestration/airflow"
    releases.vm.sudo(f"echo raise SystemExit >> $(echo {broken}/executor.py)")
    releases.vm.sudo(f"rm -f {FOLDER}/outcome.json")
    # An operator asks for it this time, and loses the connection in the middle.
    releases.vm.sudo("systemd-run --collect --unit=by-hand appliance release use 0.1.10")
    wait_until(releases, f"grep -q state...proving {ROOT}/.update/update.json")
    releases.vm.sudo("systemctl kill --signal=KILL by-hand.service")
    wait_until(releases, "! systemctl is-active by-hand.service")
    # What changed the metadata is the newer release's migration; the copy must bring the former back.
    psql = 'psql -XAtq -h /run/postgresql "dbname=airflow user=appliance"'
    version = releases.vm.sudo(f'{psql} -c "SELECT version_num FROM alembic_version"')
    releases.vm.sudo(f"{psql} -c \"UPDATE alembic_version SET version_num = 'newer'\"")
    # Its timer would take it up again within ten minutes.
    releases.vm.sudo("systemctl start --no-block appliance-update.service")
    answer = outcome(releases)
    assert answer["result"] == "failed", answer
    assert "Does not stay up" in answer["message"]
    assert current(releases) == "0.1.9"
    assert releases.vm.sudo(f'{psql} -c "SELECT version_num FROM alembic_version"') == version
    assert "release 0.1.9" in releases.vm.sudo("cat /etc/systemd/system/appliance-status.service")
    wait_until(releases, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")
    # It is tried a second time by itself, and what its services wrote is there for diagnostics.
    failures = json.loads(releases.vm.sudo(f"cat {ROOT}/.update/failures.json"))
    assert failures["0.1.10"]["times"] == 1
    assert "appliance-scheduler.service" in releases.vm.sudo(f"cat {ROOT}/.update/failed-0.1.10.journal")


def test_a_release_that_failed_twice_is_not_tried_again_by_itself(releases: Appliance) -> None:
    remembered = {"0.1.10": {"times": 2, "at": "2026-01-01T00:00:00Z", "why": "Does not stay up."}}
    written = packed(json.dumps(remembered))
    releases.vm.sudo(f"echo {written} | base64 -d > {ROOT}/.update/failures.json")
    ask_for(releases, "0.1.10")
    answer = outcome(releases)
    assert answer["result"] == "refused"
    assert "sudo appliance release apply 0.1.10" in answer["message"]
    assert current(releases) == "0.1.9"


def test_a_release_that_crashes_in_its_grace_period_is_left(releases: Appliance) -> None:
    copy_release(releases, "0.1.11")
    watch_for(releases, minutes=30)
    releases.vm.sudo(f"rm -f {FOLDER}/outcome.json")
    used = releases.vm.ssh("sudo appliance release use 0.1.11")
    assert "It is watched for 30 minutes" in used.stdout
    assert current(releases) == "0.1.11"
    wait_until(releases, "systemctl is-active -q appliance-watch.service")
    refused = releases.vm.ssh("sudo appliance release use 0.1.10", check=False)
    assert refused.returncode == 1 and "grace period" in refused.stderr
    for times in range(1, 5):
        wait_until(releases, "systemctl is-active -q appliance-status")
        releases.vm.sudo("systemctl kill --signal=KILL appliance-status")
        wait_until(releases, f"test $(systemctl show -p NRestarts --value appliance-status) -ge {times}")
    answer = outcome(releases)
    assert answer["result"] == "failed"
    assert "Does not stay up: appliance-status.service" in answer["message"]
    assert current(releases) == "0.1.9"
    failures = json.loads(releases.vm.sudo(f"cat {ROOT}/.update/failures.json"))
    assert failures["0.1.11"]["times"] == 1
    wait_until(releases, f"test $(systemctl is-active {SERVICES} | grep -cx active) = 4")
    assert releases.vm.sudo("systemctl is-active appliance-watch.service", check=False) == "inactive"


def test_down_over_a_schema_of_airflow_is_asked_about_and_what_was_recorded_is_kept(
    releases: Appliance,
) -> None:
    """The older release says that it has the schema of Airflow 3.2: so the metadata goes down to it."""
    copy_release(releases, "0.1.8")
    manifest = json.loads(releases.vm.sudo(f"cat {ROOT}/releases/0.1.8/manifest.json"))
    (older,) = manifest["schemas"]["metadata_down_to"]
    releases.vm.sudo(
        f'sed -i \'s/"metadata": "[0-9a-f]*"/"metadata": "{older}"/\' {ROOT}/releases/0.1.8/manifest.json'
    )
    watch_for(releases, minutes=1)
    releases.vm.sudo(f"rm -f {FOLDER}/outcome.json")
    asked = releases.vm.ssh("sudo appliance release use 0.1.8", check=False)
    assert asked.returncode == 3 and "no terminal is there to ask on" in asked.stderr, asked
    assert current(releases) == "0.1.9"
    # After the way back, releases are still removed: an operator waits for that, though not as long as here.
    idle = 'systemctl show -p ActiveState --value appliance-update.service | grep -qE "inactive|failed"'
    wait_until(releases, idle)
    used = releases.vm.ssh("sudo appliance release use 0.1.8 --yes")
    assert f"{ROOT}/.update/kept" in used.stdout and "0.1.8: lowering" in used.stdout, used
    assert current(releases) == "0.1.8"
    run = run_workflow(releases)
    assert run["state"] == "succeeded", run
    assert_masked_twin(releases)
    assert outcome(releases)["result"] == "done"
    kept = releases.vm.sudo(f"stat --format '%a %n' {ROOT}/.update/kept/*")
    assert kept.startswith(f"600 {ROOT}/.update/kept/airflow-of-0.1.9-"), kept
