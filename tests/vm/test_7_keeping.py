"""What an operator does with an appliance that lives: diagnostics, expiry, a backup and its restore."""

from __future__ import annotations

from tests.vm.conftest import Appliance
from tests.vm.running import assert_masked_twin, run_workflow, wait_until
from tests.vm.sample_database import make_sample, put_workflow, sql
from tests.vm.test_4_recovery import RUNNING

EXPORTS = "/var/lib/appliance/exports"
PENDING = "/var/lib/appliance/restore/pending"
MANIFEST = (
    '{"version":1,"workflow":"old","run":"old-1","format":"csv","compression":"gzip",'
    '"created_at":"2020-01-01T00:00:00Z","appliance_version":"1","tables":[]}'
)
TWIN = "SELECT md5(string_agg(c::text, ' ' ORDER BY id)) FROM customer AS c"


def test_diagnostics_hold_units_and_journals_and_nothing_that_the_deploy_was_to_hide(
    appliance: Appliance,
) -> None:
    assert appliance.first.status == 0, appliance.first
    wait_until(appliance, "test -s /var/lib/appliance/history.jsonl")
    appliance.vm.sudo("rm -rf /root/d && mkdir /root/d && cd /root/d && appliance diagnostics --yes -o d.tgz")
    appliance.vm.sudo("cd /root/d && tar xzf d.tgz && rm d.tgz")
    folder = "/root/d/appliance-diagnostics"
    states = appliance.vm.sudo(f"cat {folder}/units/states.txt")
    assert "Id=appliance-scheduler.service" in states and "ActiveState=active" in states
    assert "appliance-prepare.service" in appliance.vm.sudo(f"cat {folder}/logs/services.txt")
    assert "could not be collected" not in appliance.vm.sudo(f"cat {folder}/databases/*.txt")
    patterns = appliance.patterns()
    assert appliance.vm.ssh(f"sudo grep -rFf {patterns} /root/d", check=False).stdout == ""
    assert appliance.vm.sudo("stat -c %a /var/lib/appliance/reserve") == "600"


def test_an_old_export_expires_by_the_timer_s_service(appliance: Appliance) -> None:
    as_appliance = "runuser -u appliance --"
    appliance.vm.sudo(f"{as_appliance} mkdir -p {EXPORTS}/old/old-1")
    appliance.vm.sudo(f"printf %s '{MANIFEST}' | {as_appliance} tee {EXPORTS}/old/old-1/manifest.json")
    appliance.vm.sudo("systemctl start appliance-cleanup.service")
    assert appliance.vm.ssh(f"sudo test -e {EXPORTS}/old", check=False).returncode == 1
    assert '"run": "old-1"' in appliance.vm.sudo(f"cat {EXPORTS}/deletions.jsonl")
    assert "old/old-1" in appliance.vm.sudo("journalctl -u appliance-cleanup.service --no-pager")


def test_a_backup_brings_the_appliance_back_and_services_wait_for_the_end_of_a_restore(
    appliance: Appliance,
) -> None:
    make_sample(appliance)
    put_workflow(appliance)
    assert run_workflow(appliance)["state"] == "succeeded"
    before = sql(appliance, TWIN, "shop_twin")
    appliance.vm.sudo("umask 077; echo a phrase of five words > /root/phrase; rm -f /root/b.age")
    appliance.vm.sudo("appliance backup create /root/b.age --passphrase-file /root/phrase")
    restore = "appliance backup restore /root/b.age --passphrase-file /root/phrase --replace"
    running = appliance.vm.ssh(f"sudo {restore}", check=False)
    assert running.returncode == 2 and "The appliance is running" in running.stderr
    appliance.vm.sudo(running.stderr.split("Next: sudo ")[1].strip())
    assert appliance.vm.sudo("systemctl --failed --no-legend") == "", "a stop is no failure"
    appliance.vm.sudo("rm /var/lib/appliance/keys/mask.key")
    done = appliance.vm.sudo(restore)
    assert appliance.vm.sudo("stat -c %U:%a /var/lib/appliance/keys/mask.key") == "appliance:600"
    assert appliance.vm.sudo("stat -c %U:%a /etc/appliance/connections.yaml") == "appliance:600"
    appliance.vm.sudo(f"mkdir -p $(dirname {PENDING}) && touch {PENDING}")
    appliance.vm.sudo("systemctl start appliance-status")
    assert not appliance.host.service("appliance-status").is_running
    printed = appliance.vm.ssh("sudo appliance status", check=False).stderr
    assert "A restore has not reached its end" in printed
    # As after a reboot in the middle: the timers run, the services do not, and the same command goes on.
    appliance.vm.sudo(
        "systemctl start appliance-branches.timer appliance-cleanup.timer appliance-reaper.timer"
        " appliance-update.timer"
    )
    done = appliance.vm.sudo(restore.removesuffix(" --replace"))
    appliance.vm.sudo(done.split("Next: sudo ")[1].strip())
    wait_until(appliance, RUNNING)
    assert run_workflow(appliance)["state"] == "succeeded"
    assert_masked_twin(appliance)
    assert sql(appliance, TWIN, "shop_twin") == before
    assert appliance.vm.sudo("systemctl --failed --no-legend") == ""


def test_a_database_server_that_a_full_disk_has_ended_is_started_again(appliance: Appliance) -> None:
    unit = appliance.vm.sudo('systemctl list-units --plain --no-legend "postgresql@*-appliance*"').split()[0]
    before = appliance.vm.sudo(f"systemctl show -p MainPID --value {unit}")
    appliance.vm.sudo(f"systemctl kill --signal=KILL {unit}")
    wait_until(
        appliance,
        f"systemctl is-active -q {unit} && test $(systemctl show -p MainPID --value {unit}) != {before}",
    )
    wait_until(appliance, RUNNING)
    wait_until(appliance, "appliance status")
