"""One step container, without Airflow: what is said when it eats memory, is missing, is asked to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from appliance.errors import WrongRequestError
from appliance.orchestration.containers.attempt import EngineAwayError, StepRun
from appliance.orchestration.containers.container import StepLimits, same_place
from appliance.orchestration.step_failures import FailedStep
from appliance.run_folder import StopRequest
from appliance.steps.calling.call import StepCall, StepPaths
from appliance.store.runs import RunStore

EATER = "import sys; print('eating', flush=True); x = [bytearray(2**20) for _ in range(4000)]"
WAITER = "import time; print('waiting', flush=True); time.sleep(600)"


@pytest.fixture
def client() -> docker.APIClient:
    return docker.from_env(version="auto").api


@pytest.fixture
def new_run(
    client: docker.APIClient, step_image: str, tmp_path: Path
) -> Iterator[Callable[..., tuple[StepRun, list[str]]]]:
    made: list[StepRun] = []

    def make(code: str = WAITER, **changes: object) -> tuple[StepRun, list[str]]:
        """A started container of the step image that runs ``code`` instead of a step."""
        log: list[str] = []
        instance = f"test-{os.urandom(4).hex()}"
        options: dict[str, object] = {
            "instance": instance,
            "connect": lambda: docker.from_env(version="auto").api,
            "image": step_image,
            "limits": StepLimits(128, 1.0, "none"),
            "store": RunStore("host=/nowhere"),
            "deadline": datetime.now(UTC) + timedelta(minutes=5),
            "asked_to_stop": lambda: None,
            "log": log.append,
            "clean": str,
            "clean_line": str,
        }
        call = StepCall("run-1", "workflow-1", "copy", shard=3)
        run = StepRun(client, call, **(options | changes))  # type: ignore[arg-type]
        run.entrypoint = ["python", "-c", code]
        made.append(run)
        return run, log

    yield make
    for run in made:
        run.remove()


def start(run: StepRun) -> None:
    run.start([], StepPaths(Path("/appliance/run"), Path("/run/secrets/appliance")), "65534:65534")


def test_a_step_that_needs_more_memory_than_it_may_use_says_so(
    new_run: Callable[..., tuple[StepRun, list[str]]],
) -> None:
    run, log = new_run(EATER)
    start(run)
    assert run.follow() is None
    assert "eating" in log
    failure = FailedStep("copy", 3).by_container(run.state, run.output.failure, memory_mb=128)
    assert failure.exception == "OutOfMemory"
    assert "128 MB" in failure.what
    assert "limits.memory_mb" in failure.next_step


def test_a_step_that_is_asked_to_stop_is_gone_in_seconds(
    new_run: Callable[..., tuple[StepRun, list[str]]], client: docker.APIClient
) -> None:
    asked = threading.Event()
    request = StopRequest("cancel", "enough")
    run, _ = new_run(asked_to_stop=lambda: request if asked.is_set() else None)
    start(run)
    threading.Timer(0.5, asked.set).start()
    assert run.follow() is None
    assert run.stopped_by == request
    run.remove()
    assert not client.containers(all=True, filters={"label": same_place(run.instance, run.call)})


def test_a_step_that_runs_past_its_deadline_is_ended(
    new_run: Callable[..., tuple[StepRun, list[str]]],
) -> None:
    run, _ = new_run(deadline=datetime.now(UTC) + timedelta(seconds=1))
    start(run)
    assert run.follow() is None
    assert run.out_of_time


def test_what_an_earlier_attempt_left_is_removed_before_a_new_one_starts(
    new_run: Callable[..., tuple[StepRun, list[str]]], client: docker.APIClient
) -> None:
    run, _ = new_run()
    start(run)
    assert client.containers(filters={"label": same_place(run.instance, run.call)})
    run.remove_stale()
    assert not client.containers(all=True, filters={"label": same_place(run.instance, run.call)})


def test_an_image_that_is_not_there_is_named_and_not_pulled(
    new_run: Callable[..., tuple[StepRun, list[str]]],
) -> None:
    run, _ = new_run(image="appliance-no-such-image:1")
    with pytest.raises(WrongRequestError, match="appliance-no-such-image:1"):
        start(run)


def test_an_engine_that_does_not_answer_is_worth_another_try(
    new_run: Callable[..., tuple[StepRun, list[str]]], tmp_path: Path
) -> None:
    run, _ = new_run()
    run._client = docker.APIClient(base_url=f"unix://{tmp_path}/nobody.sock", version="1.41")
    with pytest.raises(EngineAwayError) as raised:
        start(run)
    assert FailedStep("copy", 3).by_error(raised.value).retry


def test_output_that_comes_faster_than_it_is_read_is_bounded_in_memory_and_lost_by_nobody(
    new_run: Callable[..., tuple[StepRun, list[str]]],
) -> None:
    chatter = (
        'for n in range(20000): print(\'line\', n, \'x\' * 50)\nprint(\'{"type":"result","step":"copy"}\')'
    )
    run, log = new_run(chatter)
    start(run)
    began = time.monotonic()
    assert run.follow() is not None, time.monotonic() - began
    assert log[0].startswith("line 0")
    assert len(run.output.tail) <= 40
