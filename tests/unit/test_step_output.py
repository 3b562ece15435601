"""What a step prints, as its operator reads it; and what a failure says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.contract.step_messages import Failure, Result
from appliance.orchestration.airflow.config import sqlalchemy_url
from appliance.orchestration.containers.output import StepOutput
from appliance.orchestration.step_failures import ContainerState, FailedStep
from appliance.scrubbing.scrub import GONE, Scrubber


def line(**message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def output(log: list[str]) -> StepOutput:
    return StepOutput(log.append, Scrubber(["hunter2"]).clean)


def test_a_message_that_arrives_in_pieces_is_one_message(output: StepOutput) -> None:
    whole = line(type="result", step="plan", data={"shards": 3})
    outcomes = list(output.read((whole[i : i + 7], None) for i in range(0, len(whole), 7)))
    assert outcomes == [Result(step="plan", data={"shards": 3})]


def test_only_the_newest_progress_of_a_table_is_passed_on(output: StepOutput) -> None:
    list(
        output.read(
            (line(type="progress", step="copy", shard=1, table="public.a", rows=rows), None)
            for rows in (1, 2, 3)
        )
    )
    progress, _ = output.take()
    assert [message.rows for message in progress] == [3]
    assert output.take() == ([], [])


def test_a_stray_print_goes_to_the_log_scrubbed_and_stops_nothing(output: StepOutput, log: list[str]) -> None:
    stray = b"connecting with hunter2 as ann@shop.example\n"
    outcomes = list(output.read([(stray, None), (line(type="result", step="copy"), None)]))
    assert len(outcomes) == 1
    assert log == [f"connecting with {GONE} as {GONE}"]


def test_a_message_on_standard_error_is_no_message(output: StepOutput) -> None:
    assert list(output.read([(None, line(type="result", step="copy"))])) == []


def test_an_endless_line_does_not_fill_the_memory(output: StepOutput) -> None:
    list(output.read((b"x" * 65536, None) for _ in range(100)))
    assert sum(len(text) for text in output.tail) <= 1024 * 1024 + 100


def failure(**state: Any) -> Failure:
    return FailedStep("copy", 2).by_container(ContainerState.of(state), None, memory_mb=256)


def test_running_out_of_memory_says_what_to_change_and_is_not_tried_again() -> None:
    found = failure(ExitCode=137, OOMKilled=True)
    assert "256 MB" in found.what
    assert "limits.memory_mb" in found.next_step
    assert not found.retry


def test_a_container_that_was_killed_without_a_reason_is_tried_again_and_memory_is_suspected() -> None:
    found = failure(ExitCode=137, OOMKilled=False)
    assert found.retry
    assert found.shard == 2
    assert "most likely" in found.what


def test_a_foreign_exception_tells_its_class_and_nothing_else() -> None:
    found = FailedStep("plan").by_exception(ValueError("password=hunter2"))
    assert "ValueError" in found.why
    assert "hunter2" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("conninfo", "url"),
    [
        (
            "postgresql:///airflow?host=/run/postgresql",
            "postgresql+psycopg:///airflow?host=%2Frun%2Fpostgresql",
        ),
        (
            "postgresql://me:p%40s%24%2Fs@db:55/airflow?sslmode=require",
            "postgresql+psycopg://me:p%40s%24%2Fs@db:55/airflow?sslmode=require",
        ),
        ("host=db user='a b' dbname=x", "postgresql+psycopg://a%20b@db/x"),
    ],
)
def test_a_libpq_address_becomes_sqlalchemys_with_the_password_where_it_is_hidden(
    conninfo: str, url: str
) -> None:
    assert sqlalchemy_url(conninfo) == url
