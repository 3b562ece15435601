"""When a workflow is checked for drift: its own word, and the owner's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.documents.problems import WrongDocumentError
from appliance.orchestration.drift_times import DriftRule, drift_rule
from appliance.orchestration.workflow_files import Origin, WorkflowFile
from appliance.policy.drift import drift_times
from appliance.policy.policy import Policy, load_policy
from appliance.settings.settings import Settings
from appliance.workflow.document import Workflow
from appliance.workflow.document_types import NEVER

EVENING, MORNING = "0 18 * * *", "0 6 * * *"
RARE = "0 0 29 2 *"


@pytest.mark.parametrize("origin", ["local", "cloud"])
def test_without_a_word_of_the_owner_s_only_those_that_name_a_time_are_checked(origin: Origin) -> None:
    for wanted, times in ((None, ()), (NEVER, ()), (MORNING, (MORNING,))):
        assert drift_times(wanted, origin, by_policy=None, own=("local",)) == times


@pytest.mark.parametrize(
    ("origin", "wanted", "times"),
    [
        ("local", None, (EVENING,)),
        ("cloud", None, (EVENING,)),
        ("local", MORNING, (MORNING,)),
        ("local", NEVER, ()),
        # The cloud can add a check, and take none away.
        ("cloud", MORNING, (MORNING, EVENING)),
        ("cloud", NEVER, (EVENING,)),
        ("cloud", RARE, (RARE, EVENING)),
        ("cloud", EVENING, (EVENING,)),
    ],
)
def test_the_owner_s_time_holds_for_all_that_have_no_say(
    origin: Origin, wanted: str | None, times: tuple[str, ...]
) -> None:
    assert drift_times(wanted, origin, by_policy=EVENING, own=Policy().drift_own) == times


def test_the_owner_may_let_the_cloud_choose_and_bind_the_own_workflows() -> None:
    assert drift_times(NEVER, "cloud", by_policy=EVENING, own=("local", "cloud")) == ()
    assert drift_times(NEVER, "local", by_policy=EVENING, own=()) == (EVENING,)


def test_a_workflow_and_a_policy_take_cron_fields_and_a_workflow_the_word_never(tmp_path: Path) -> None:
    base = {
        "id": "shop",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    assert Workflow.model_validate(base | {"drift": NEVER}).drift == NEVER
    policy = tmp_path / "policy.yaml"
    for wrong in ("never", '"61 * * * *"', "nightly"):
        policy.write_text(f"drift: {wrong}\n")
        with pytest.raises(WrongDocumentError):
            load_policy(policy)
    policy.write_text(f'drift: "{EVENING}"\ndrift_own: [local, cloud]\n')
    assert load_policy(policy).drift == EVENING


def test_the_rule_is_read_anew_when_the_file_has_changed_and_of_a_wrong_file_nothing_is_taken(
    tmp_path: Path,
) -> None:
    settings = Settings(config_dir=tmp_path / "etc", state_dir=tmp_path / "state")
    settings.config_dir.mkdir()
    settings.state_dir.mkdir()
    file = WorkflowFile("shop.yaml", "cloud", 0, 0, id="shop", drift=NEVER)
    assert drift_rule(settings).times_of(file) == ()
    settings.policy_file.write_text(f'drift: "{EVENING}"\n')
    for _ in range(2):
        # The second time from what was kept.
        assert drift_rule(settings).times_of(file) == (EVENING,)
    assert drift_rule(settings) == DriftRule(
        drift_rule(settings).version,
        settings.policy_file.stat().st_mtime_ns,
        settings.policy_file.stat().st_size,
        EVENING,
    )
    settings.policy_file.write_text(f'drift: "{MORNING}"\n')
    os.utime(settings.policy_file, ns=(1, 1))
    assert drift_rule(settings).times_of(file) == (MORNING,)
    settings.policy_file.write_text("drift: [")
    assert drift_rule(settings).times_of(file) == ()
    settings.policy_file.unlink()
    assert drift_rule(settings).times_of(file) == ()
