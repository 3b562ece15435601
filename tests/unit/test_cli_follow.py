"""Following a run from the command line, and asking the status service for it."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from appliance.cli.terminal.follow import _Teller
from appliance.cli.terminal.progress import RunDisplay
from appliance.cli.work.host.status_client import ask
from appliance.errors import WrongRequestError
from appliance.settings.settings import load_settings
from appliance.store.rows import PlanLine, PlannedTable, ProgressLine, RunDetails, StepLine, StepState
from tests.unit.example_report import NOW, run_details


def step(name: str, state: StepState, shard: int | None = None) -> StepLine:
    seconds = 1.0 if state != "running" else None
    return StepLine(name, shard, 1, state, NOW, None, failure=None, result=None, seconds=seconds)


def copied(table: str, rows: int, *, done: bool) -> ProgressLine:
    return ProgressLine("copy", None, None, table, rows, None, rows * 100, done=done, updated_at=NOW)


def run(*steps: StepLine, progress: tuple[ProgressLine, ...] = ()) -> RunDetails:
    plan = PlanLine(shards=1, tables=(PlannedTable("public.t", rows=9),), tables_total=1)
    return run_details(plan=plan, steps=steps, progress=progress)


def shown(*answers: RunDetails) -> list[str]:
    """What is printed in a pipe when the status service answers so."""
    output = io.StringIO()
    with RunDisplay(Console(file=output, width=120), "run r", announced=True) as display:
        teller = _Teller(display)
        for answer in answers:
            teller.tell(answer)
    return output.getvalue().splitlines()


def test_the_end_of_the_copying_says_how_much_it_was() -> None:
    """Between two questions a whole small copying begins and ends: its rows come in the same answer."""
    lines = shown(
        run(step("plan", "succeeded")),
        run(
            step("plan", "succeeded"),
            step("copy", "succeeded", 0),
            progress=(copied("public.t", 10, done=True),),
        ),
    )
    assert lines[-1].startswith("copy: done in ")
    assert lines[-1].endswith(", 10 rows, 1.0 KB")


def test_the_run_is_named_once() -> None:
    assert shown(run()) == []


def test_a_step_that_is_tried_again_is_followed_to_its_end() -> None:
    lines = shown(
        run(step("verify", "running")),
        run(step("verify", "retrying")),
        run(step("verify", "running")),
        run(step("verify", "succeeded")),
    )
    assert [line.split(" in ")[0] for line in lines] == ["verify: failed", "verify: done"]


def test_a_proxy_of_the_environment_is_not_asked_for_the_status_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not reach the loopback address of this machine, and would be shown the token."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/status"
            content = (
                {"path": self.path} if there else {"detail": "There is no run 'x'. Next: appliance runs"}
            )
            body = json.dumps(content).encode()
            self.send_response(200 if there else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = tmp_path / "appliance.yaml"
    config.write_text(f"status: {{host: 127.0.0.1, port: {server.server_port}}}\n")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert ask(load_settings(config, {}), "/status") == {"path": "/status"}
        with pytest.raises(WrongRequestError) as caught:
            ask(load_settings(config, {}), "/runs/x")
        assert caught.value.text() == "There is no run 'x'.\nNext: appliance runs", "as every error is shown"
    finally:
        server.shutdown()
