"""What the cloud newly keeps waits for the owner, who sees it, and lets it in with one command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from appliance.cloud.workflows import CloudSync
from appliance.orchestration.workflow_files import waiting_file
from appliance.policy.approvals import approved_columns
from appliance.workflow.document import Workflow
from tests.cloud.appliance_rig import POLICY, WORKFLOW, ApplianceRig, CloudSide
from tests.cloud.test_workflows_and_commands import assign, changed, given, in_force, reported
from tests.engine.clusters import Cluster

SHOP = """
    CREATE TABLE customer (id int PRIMARY KEY, email text, city text, religion text);
    GRANT SELECT ON customer TO reader;
"""
MASKS = {"public.customer.email": "email", "public.customer.religion": "null"}


@pytest.fixture
def shop(rig: ApplianceRig, state_cluster: Cluster) -> Iterator[Cluster]:
    """A source that the appliance's connections name."""
    if "reader" not in state_cluster.passwords:
        state_cluster.role("reader")
    state_cluster.create_database("shop")
    state_cluster.sql("shop", SHOP)
    file = rig.folder / "etc" / "connections.yaml"
    file.touch(mode=0o600)
    connection = state_cluster.connection("shop", "reader")
    file.write_text(yaml.safe_dump({"production": connection, "staging": connection | {"dbname": "twin"}}))
    yield state_cluster
    state_cluster.drop_database("shop")


@pytest.fixture
def sync(rig: ApplianceRig) -> CloudSync:
    return CloudSync(rig.settings)


def approve(rig: ApplianceRig, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appliance", "workflow", "approve", *arguments],
        env=rig.process_environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def digest_in(text: str) -> str:
    return text.split("--digest ")[1].split(",", maxsplit=1)[0]


def keeping(*patterns: str, **changes: Any) -> dict[str, Any]:
    return changed(**{"keep": ["public.*.id", *patterns], "masks": MASKS, **changes})


def test_a_new_version_that_keeps_more_waits_and_the_last_good_one_stays(
    rig: ApplianceRig, sync: CloudSync
) -> None:
    sync.take_up(given(changed()), rig.db)
    wider = changed(keep=["public.*.id", "public.customer.religion"])
    sync.take_up(given(wider), rig.db)
    assert in_force(rig) == {"staging-twin": WORKFLOW}
    last = reported(rig)[-1]
    assert (last["state"], last["rule"]) == ("refused", "keep_from_cloud")
    assert "public.customer.religion" in last["problem"]
    assert "appliance workflow approve staging-twin" in last["problem"]
    assert yaml.safe_load(waiting_file(rig.settings.state_dir, "staging-twin").read_text()) == wider
    sync.take_up(given(changed(title="as before")), rig.db)
    assert not waiting_file(rig.settings.state_dir, "staging-twin").exists()
    assert in_force(rig)["staging-twin"]["title"] == "as before"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"unlisted": "keep"}, "keep_from_cloud"),
        ({"keep": ["*.*.*"]}, "keep_from_cloud"),
        ({"masks": {"public.*.*": {"mask": "partial", "keep_first": 100}}}, "keep_from_cloud"),
        ({"limits": {"parallel": 9}}, "max_parallel"),
        ({"limits": {"run_timeout_min": 10_000}}, "snapshot_max_min"),
        ({"schedule": "* * * * *"}, "min_interval_min"),
    ],
    ids=["unlisted: keep", "keeps all", "masks nothing", "many at a time", "a long snapshot", "too often"],
)
def test_what_a_dashboard_that_was_taken_over_may_not_ask_for_is_never_in_force(
    changes: dict[str, Any], rule: str, rig: ApplianceRig, sync: CloudSync
) -> None:
    caps = {"max_parallel": 8, "snapshot_max_min": 300, "min_interval_min": 60}
    rig.write_policy(POLICY | caps)
    sync.take_up(given(changed(**changes)), rig.db)
    assert sync.taken["staging-twin"].rule == rule
    assert in_force(rig) == {}


def test_the_owner_sees_what_waits_and_lets_it_in_with_one_command(
    enrolled: ApplianceRig, cloud: CloudSide, shop: Cluster
) -> None:
    assign(cloud, keeping("public.customer.city", id="waits"))
    enrolled.turn_until(lambda: enrolled.reporter.describe().not_taken)
    (entry,) = enrolled.reporter.describe().not_taken
    assert (entry.id, entry.rule) == ("waits", "keep_from_cloud")
    command = cloud.command(kind="run", workflow="waits")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == "keep_from_cloud"

    shown = approve(enrolled, "waits")
    assert shown.returncode == 3 and "new public.customer.city" in shown.stdout, shown.stderr
    assert "email" not in shown.stdout and "public.customer.id" not in shown.stdout
    wrong = approve(enrolled, "waits", "--digest", "0" * 16)
    assert wrong.returncode == 3 and in_force(enrolled) == {}
    done = approve(enrolled, "waits", "--digest", digest_in(shown.stderr))
    assert done.returncode == 0, done.stderr
    enrolled.turn_until(lambda: in_force(enrolled))
    assert in_force(enrolled)["waits"]["keep"] == ["public.*.id", "public.customer.city"]
    enrolled.turn_until(lambda: not enrolled.reporter.describe().not_taken)


def test_what_was_shown_and_not_what_came_meanwhile_is_approved(
    rig: ApplianceRig, sync: CloudSync, shop: Cluster
) -> None:
    sync.take_up(given(keeping("public.customer.city")), rig.db)
    digest = digest_in(approve(rig, "staging-twin").stderr)
    sneaked = keeping("public.customer.city", "public.customer.religion", masks={})
    sync.take_up(given(sneaked), rig.db)
    done = approve(rig, "staging-twin", "--digest", digest)
    assert done.returncode == 3 and "Nothing was approved" in done.stderr
    assert approved_columns(rig.settings.approvals_dir, Workflow.model_validate(sneaked)) == ()


def test_a_pattern_is_approved_for_the_columns_of_today(
    rig: ApplianceRig, sync: CloudSync, shop: Cluster
) -> None:
    document = keeping("public.customer.*")
    sync.take_up(given(document), rig.db)
    digest = digest_in(approve(rig, "staging-twin").stderr)
    assert approve(rig, "staging-twin", "--digest", digest).returncode == 0
    sync.take_up(given(document), rig.db)
    assert in_force(rig)["staging-twin"] == document
    shop.sql("shop", "ALTER TABLE customer ADD COLUMN diagnosis text")
    check = subprocess.run(
        [sys.executable, "-m", "appliance", "policy", "check", "staging-twin", "--columns"],
        env=rig.process_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 3 and "public.customer.diagnosis" in check.stderr, check.stderr
    assert "matches no column" in check.stdout, "always_mask names a column that this source has not"
    again = approve(rig, "staging-twin")
    assert "new public.customer.diagnosis" in again.stdout and "    public.customer.city" in again.stdout


def test_a_workflow_of_ones_own_needs_no_approval_and_an_unknown_one_has_none(
    rig: ApplianceRig, tmp_path: Path
) -> None:
    (rig.folder / "etc" / "workflows" / "mine.yaml").write_text(yaml.safe_dump(changed(id="mine")))
    assert "needs no approval" in approve(rig, "mine").stderr
    for unknown in ("nothing", "../../etc/policy", "*"):
        done = approve(rig, unknown)
        assert done.returncode == 2 and "There is no workflow" in done.stderr


def test_the_cloud_may_not_ask_for_runs_more_often_than_the_owner_allows(
    enrolled: ApplianceRig, cloud: CloudSide
) -> None:
    enrolled.write_policy(POLICY | {"min_interval_min": 60})
    assign(cloud, changed(id="often"))
    enrolled.turn_until(lambda: in_force(enrolled))
    enrolled.db.execute(
        "INSERT INTO appliance.run (run_id, workflow, airflow_run_id, origin, trigger, state)"
        " VALUES ('often-1', 'often', 'x', 'cloud', 'schedule', 'succeeded')"
    )
    command = cloud.command(kind="run", workflow="often")
    enrolled.turn_until(lambda: cloud.command_state(command)["state"] == "refused")
    assert cloud.command_state(command)["rule"] == "min_interval_min"
