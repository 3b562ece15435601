"""Traces of runs reach a collector: each run once, its steps below it, and no word of an error."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from appliance.contract.step_messages import Failure
from appliance.settings.settings import Settings
from appliance.status.state import State
from appliance.status.traces.sender import Traced, TraceSender
from appliance.status.traces.spans import trace_of
from appliance.store.rows import RunDetails, RunLine, StepLine, TableLine
from tests.unit.example_report import NOW, run_line
from tests.unit.test_status_service import settings

SECRET = "a value out of a row"


class Collector:
    """Keeps what is posted; answers as it is set."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if kept.status == 200 and self.path == "/v1/traces":
                    kept.bodies.append(json.loads(body))
                self.send_response(kept.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def runs(self) -> list[str]:
        """Ids of runs, in the order in which they came."""
        return [_attributes(_spans(body)[0])["appliance.run"] for body in self.bodies]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


class KnownRuns(State):
    """A State whose database has these runs."""

    def __init__(self, given: Settings) -> None:
        super().__init__(given)
        self.known: list[RunDetails] = []

    def runs(self, workflow: str | None, limit: int) -> list[RunLine]:
        return list(self.known)

    def run(self, run_id: str) -> RunDetails | None:
        return next((run for run in self.known if run.run_id == run_id), None)


def run(run_id: str, *, after_s: float = 60, state: str = "succeeded") -> RunDetails:
    ended = NOW + timedelta(seconds=after_s)
    line = {**vars(run_line(state=state)), "run_id": run_id, "ended_at": ended, "queued_at": NOW}
    failed = Failure(step="copy", exit_code=1, retry=False, what=SECRET, why=SECRET, sqlstate="23505")
    failure = failed if state == "failed" else None
    line["failure"] = failure
    steps = tuple(
        StepLine(
            step=step, shard=shard, attempt=1, state="failed" if failure and step == "copy" else "done",
            started_at=NOW, ended_at=ended, failure=failure if step == "copy" else None, result=None,
            seconds=after_s,
        )
        for step, shard in (("plan", None), ("copy", 0), ("copy", 1))
    )  # fmt: skip
    table = TableLine(table="public.customer", rows=5, rows_expected=5, bytes=100, done=True)
    return RunDetails(**line, plan=None, steps=steps, tables=(table,), progress=(), notices=())


def _spans(body: dict[str, Any]) -> list[dict[str, Any]]:
    return body["resourceSpans"][0]["scopeSpans"][0]["spans"]  # type: ignore[no-any-return]


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


@pytest.fixture
def state(tmp_path: Path, collector: Collector) -> KnownRuns:
    address = f"http://127.0.0.1:{collector.server.server_address[1]}"
    return KnownRuns(settings(tmp_path, TRACES_ENDPOINT=address))


def sender(state: KnownRuns, said: list[str] | None = None) -> TraceSender:
    return TraceSender(state.settings, state, (said if said is not None else []).append)


def begun(state: KnownRuns) -> None:
    """Traces were asked for before these runs."""
    file = state.settings.status_dir / "traced.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(Traced(until=NOW).model_dump_json())


def test_a_trace_is_one_that_opentelemetry_itself_reads() -> None:
    read = Parse(json.dumps(trace_of(run("shop-1"), "host")), ExportTraceServiceRequest())
    (resource,) = read.resource_spans
    root, *steps = resource.scope_spans[0].spans
    assert root.name.startswith("run ") and root.parent_span_id == b""
    assert [step.name for step in steps] == ["plan", "copy 0", "copy 1"]
    assert {step.parent_span_id for step in steps} == {root.span_id}
    assert len({root.span_id, *(step.span_id for step in steps)}) == 4
    assert {step.trace_id for step in steps} == {root.trace_id}
    assert root.end_time_unix_nano - root.start_time_unix_nano == 60 * 10**9


def test_of_a_failure_there_is_the_step_and_no_word() -> None:
    sent = trace_of(run("shop-1", state="failed"), "host")
    assert SECRET not in json.dumps(sent)
    wrong = [span["name"] for span in _spans(sent) if span["status"]["code"] == 2]
    assert len(wrong) == 3 and wrong[1:] == ["copy 0", "copy 1"]


def test_each_run_is_sent_once_also_after_a_restart(state: KnownRuns, collector: Collector) -> None:
    begun(state)
    state.known = [run("b", after_s=90), run("a")]
    sender(state).turn()
    assert collector.runs == ["a", "b"]
    # One that ends in the same moment, and one that is under way.
    state.known = [run("c", after_s=90), *state.known]
    sender(state).turn()
    sender(state).turn()
    assert collector.runs == ["a", "b", "c"]


def test_what_ended_before_traces_were_asked_for_is_not_sent(state: KnownRuns, collector: Collector) -> None:
    state.known = [run("old")]
    sender(state).turn()
    sender(state).turn()
    assert collector.runs == []


def test_a_collector_that_is_away_gets_it_later_and_is_complained_of_once(
    state: KnownRuns, collector: Collector
) -> None:
    begun(state)
    state.known = [run("a")]
    said: list[str] = []
    sending = sender(state, said)
    collector.status = 503
    sending.turn()
    sending.turn()
    assert said == ["Traces wait: the collector answers 503.\n"] and collector.runs == []
    collector.status = 200
    sending.turn()
    assert collector.runs == ["a"]


def test_what_a_collector_refuses_for_good_holds_nothing_up(state: KnownRuns, collector: Collector) -> None:
    begun(state)
    state.known = [run("a")]
    collector.status = 400
    sender(state).turn()
    collector.status = 200
    state.known = [run("b", after_s=90), *state.known]
    sender(state).turn()
    assert collector.runs == ["b"]
