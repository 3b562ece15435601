"""A step's call and its paths, on their way from Airflow into a container and to the step itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.errors import WrongRequestError
from appliance.orchestration.containers.container import labels_of, paths_inside, same_place, step_mounts
from appliance.policy.policy import Policy
from appliance.steps.calling.call import REHEARSE, STEPS, StepCall, StepPaths, from_arguments, to_arguments
from appliance.steps.calling.context import load_context
from appliance.steps.calling.execute import module_of
from appliance.steps.records.run_files import SPEC
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow

CALLS = [
    *(StepCall("twin-1", "twin", step) for step in STEPS),
    StepCall("twin-1", "twin", "copy", attempt=3, shard=0),
    StepCall("twin-1", "twin", "publish", delivery=0),
    StepCall("twin-1", "twin", "publish", attempt=2, delivery=1, exports=True),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.place}-{call.attempt}")
def test_a_step_reads_from_its_command_line_what_its_starter_wrote(call: StepCall) -> None:
    paths = paths_inside(call)
    assert from_arguments(to_arguments(call, paths)) == (call, paths)


@pytest.mark.parametrize("missing", ["--run", "--workflow", "--run-dir", "--secrets"])
def test_a_command_line_without_its_run_is_no_call(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = to_arguments(CALLS[0], paths_inside(CALLS[0]))
    number = arguments.index(missing)
    with pytest.raises(SystemExit) as ended:
        from_arguments(arguments[:number] + arguments[number + 2 :])
    assert ended.value.code == 2
    assert missing in capsys.readouterr().err


def test_an_attempt_is_found_by_its_place_and_no_other_part_of_the_step_is() -> None:
    call = StepCall("twin-1", "twin", "copy", attempt=2, shard=1)

    def matches(other: StepCall, instance: str = "here") -> bool:
        labels = labels_of(instance, other)
        return all(labels[name] == value for name, value in map(split, same_place("here", call)))

    def split(wanted: str) -> tuple[str, str]:
        name, _, value = wanted.partition("=")
        return name, value

    assert matches(call)
    assert matches(StepCall("twin-1", "twin", "copy", attempt=1, shard=1))
    assert not matches(StepCall("twin-1", "twin", "copy", attempt=2, shard=0))
    assert not matches(StepCall("twin-2", "twin", "copy", attempt=2, shard=1))
    assert not matches(call, "elsewhere")


def test_every_place_of_the_step_is_mounted_where_its_command_line_says() -> None:
    call = StepCall("twin-1", "twin", "publish", delivery=0, exports=True)
    here = StepPaths(Path("/state/runs/r"), Path("/run/secrets/r"), Path("/state/exports/r"))
    mounts = step_mounts(paths_inside(call), here.each(lambda path: Path("/host") / path.relative_to("/")))
    _, seen = from_arguments(to_arguments(call, paths_inside(call)))
    sources = {mount["Target"]: mount["Source"] for mount in mounts}
    assert sources[str(seen.run_dir)] == "/host/state/runs/r"
    assert sources[str(seen.secrets_dir)] == "/host/run/secrets/r"
    assert sources[str(seen.export_dir)] == "/host/state/exports/r"
    assert {mount["Target"] for mount in mounts if mount["ReadOnly"]} == {
        str(seen.secrets_dir),
        str(SPEC.path(seen.run_dir)),
    }


def test_a_step_works_in_the_folder_of_its_own_run_only(tmp_path: Path) -> None:
    document = {
        "id": "twin",
        "source": "production",
        "tables": {"include": ["public.*"]},
        "deliver": [{"twin": {"connection": "staging"}}],
    }
    spec = RunSpec(
        run_id="twin-1",
        workflow=Workflow.model_validate(document),
        origin="local",
        policy=Policy(),
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        appliance_version="0",
    )
    SPEC.write(tmp_path, spec)
    paths = StepPaths(tmp_path, tmp_path / "secrets")
    assert load_context(StepCall("twin-1", "twin", "plan"), paths, lambda _: None).spec == spec
    with pytest.raises(WrongRequestError, match="the folder of another run"):
        load_context(StepCall("twin-2", "twin", "plan"), paths, lambda _: None)


@pytest.mark.parametrize("step", [*STEPS, REHEARSE])
def test_each_step_has_a_module_that_does_it(step: str) -> None:
    assert callable(module_of(step).run)
