"""The job itself on the host: a workflow, through the units and Docker, into a verified twin."""

from __future__ import annotations

import json

import pytest

from tests.vm.conftest import Appliance
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import make_sample, packed, put_workflow


@pytest.fixture(scope="module")
def shop(appliance: Appliance) -> Appliance:
    """The appliance with a production database to copy and a workflow that says how."""
    make_sample(appliance)
    put_workflow(appliance)
    return appliance


def test_a_workflow_ends_in_a_verified_twin(shop: Appliance) -> None:
    run = run_workflow(shop)
    assert run["state"] == "succeeded", run
    assert_masked_twin(shop)


def test_nothing_of_a_finished_run_is_left_in_memory_or_in_docker(shop: Appliance) -> None:
    wait_until(shop, 'test -z "$(docker ps --all --quiet --filter label=appliance.run)"')
    wait_until(shop, 'test -z "$(find /run/appliance -name pgpass)"')


def test_a_password_that_changes_takes_effect_without_a_restart(shop: Appliance) -> None:
    path = "/etc/appliance/connections.yaml"
    shop.vm.sudo(f"cp -p {path} /root/connections.yaml && sed -i s/source-/wrong-/ {path}")
    try:
        run = run_workflow(shop)
        assert run["state"] == "failed", run
        assert "production" in str(run["failure"])
    finally:
        shop.vm.sudo(f"cp -p /root/connections.yaml {path} && rm /root/connections.yaml")
    assert_masked_twin(shop)
    # The second run replaces the twin that the first one made.
    assert run_workflow(shop)["state"] == "succeeded"
    assert_masked_twin(shop)


def test_no_secret_and_no_row_is_in_any_log(shop: Appliance) -> None:
    patterns = shop.patterns("Lovelace", "ada17@example.org")
    assert shop.vm.sudo(f"journalctl --no-pager -o cat | grep -Ff {patterns} | head -3", check=False) == ""
    places = "/var/log/appliance /var/lib/appliance/runs"
    assert shop.vm.sudo(f"grep -rlFf {patterns} {places}", check=False) == ""


ASKED = "5f3f7dd2-8d1c-4b0e-9a52-0f3f2f0a9a11"
COMMAND = f"""
INSERT INTO appliance.command (command_id, kind, payload, state, expires_at)
VALUES ('{ASKED}', 'run', '{{"workflow": "vm-twin"}}', 'received', now() + interval '1 day')
"""


def test_what_the_dashboard_asks_for_is_done_by_the_process_behind_the_service(shop: Appliance) -> None:
    """The service itself may note the request, and nothing more."""
    psql = "psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -d appliance"
    noted = (
        f"printf %s {packed(COMMAND)} | base64 -d | runuser -u appliance-status -- {psql} -U appliance_status"
    )
    shop.vm.sudo(f"cd / && {noted}")
    state = packed(f"SELECT state FROM appliance.run WHERE command_id = '{ASKED}'")
    asked = f"printf %s {state} | base64 -d | runuser -u appliance -- {psql} -U appliance"
    wait_until(shop, f"cd / && {asked} | grep -q succeeded")


CREDENTIAL = """
set -eu
# What systemd decrypts comes in from another mount namespace, and a container's root shares no mounts.
mount --make-rshared /
cd /etc/appliance
cp -p connections.yaml /root/connections.yaml
systemd-creds encrypt --name=connections.yaml connections.yaml connections.cred
for unit in appliance-scheduler appliance-upkeep appliance-branches; do
    install -D -m 644 /opt/appliance/current/systemd/connections-credential.conf \
        /etc/systemd/system/$unit.service.d/connections-credential.conf
done
rm connections.yaml
systemctl daemon-reload
systemctl restart appliance-scheduler appliance-upkeep
"""
NO_CREDENTIAL = """
mv /root/connections.yaml /etc/appliance/connections.yaml
rm -f /etc/appliance/connections.cred /etc/systemd/system/appliance-*.service.d/connections-credential.conf
systemctl daemon-reload
systemctl restart appliance-scheduler appliance-upkeep
"""


def test_connections_can_be_an_encrypted_credential_instead_of_a_file(shop: Appliance) -> None:
    shop.vm.sudo(CREDENTIAL)
    try:
        assert (
            shop.vm.sudo(f"grep -cFf {shop.patterns()} /etc/appliance/connections.cred", check=False) == "0"
        )
        # From the VM itself only steps may log in to the sample; that both are known is enough.
        checked = shop.vm.ssh(
            "sudo systemd-run --pipe --wait --quiet"
            " -p LoadCredentialEncrypted=connections.yaml:/etc/appliance/connections.cred"
            " appliance connections check --json",
            check=False,
        )
        names = {each["name"] for each in json.loads(checked.stdout)["connections"]}
        assert names == {"production", "staging"}, checked
        assert run_workflow(shop)["state"] == "succeeded"
    finally:
        shop.vm.sudo(NO_CREDENTIAL)
    assert_masked_twin(shop)
