"""``appliance status`` says what the dashboard wanted and did not get."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.cli.host.status import KEEP_RULE, _show
from appliance.cli.terminal.output import print_table
from appliance.cloud.known import NotTaken
from appliance.policy import columns as policy_columns
from appliance.status.facts.next_steps import next_step
from appliance.status.report import Component, Runs
from appliance.store.rows import AskedErasure, DriftCheck, KeptLook, RefusedCommand, RunLine
from tests.unit.example_report import NOW, dashboard_link, failure, report, run_line, workflow_state


def test_what_was_refused_is_listed_with_its_rule(capsys: pytest.CaptureFixture[str]) -> None:
    update = RefusedCommand("update", {"version": "2.0.0rc1"}, NOW, "updates.channel", None)
    link = dashboard_link(
        NotTaken("staging-twin", "refused", "write", None), NotTaken("odd", "invalid", None, None)
    )
    _show(report(refused=(update,), dashboard=link))
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert ["staging-twin", "write"] in lines and ["update", "2.0.0rc1", "updates.channel"] in lines


def test_what_waits_for_the_owner_is_listed_with_the_command_that_lets_it_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whether a version was put aside, or the columns of the newest run were not those that were approved."""

    def run(workflow: str, rule: str | None) -> RunLine:
        why = failure("Refused.", rule=rule) if rule else None
        return run_line(f"{workflow}-1", state="refused" if rule else "succeeded", failure=why)

    recent = (run("grown", KEEP_RULE), run("mended", None), run("mended", KEEP_RULE), run("other", "read"))
    link = dashboard_link(NotTaken("new", "refused", KEEP_RULE, None))
    _show(report(dashboard=link, runs=Runs(current=(), recent=recent)))
    shown = capsys.readouterr().out
    assert re.findall(r"appliance workflow approve (\S+)", shown) == ["new", "grown"]
    assert KEEP_RULE == policy_columns.KEEP_RULE


def test_an_erasure_that_waits_is_listed_with_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    _show(report(erasures=(AskedErasure("1", "REQ-17", NOW, begun=False),)))
    said = capsys.readouterr().out
    assert "REQ-17" in said and "appliance erasure requests" in said


def test_where_nothing_was_refused_nothing_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    _show(report())
    assert "refused" not in capsys.readouterr().out


def test_an_id_is_never_cut_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runs` on 80 columns, where one of them failed: its id is what `logs` asks for."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    run = "vm-twin-20261125t210422z-3dcb"
    why = "Files may not be exported here: destinations does not name `files`. (policy rule destinations)"
    rows = [(run, "refused", "2026-11-25 21:04:25", "1.1s", why), (run, "succeeded", "", "", "")]
    print_table(("run", "state", "started", "took", "why"), rows)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert shown.count(run) == 2
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_a_fault_is_followed_by_the_command_that_shows_more_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    component = Component(
        "scheduler", "down", "is not running", next_step("scheduler", Path("/var"), with_systemd=True)
    )
    failed = run_line("shop-2", state="failed", failure=failure("It broke.\nIn many words."))
    _show(report(components=(component,), runs=Runs(current=(), recent=(failed, run_line("shop-1")))))
    shown = capsys.readouterr().out
    assert "Next: systemctl status appliance-scheduler" in shown
    assert f"appliance runs {failed.run_id}" in shown
    assert "In many words" not in shown


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_long_reason_takes_one_line_of_a_list(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    print_table(("run", "why"), [("shop-1", "many words " * 40), ("shop-2", "few words")], clipped="why")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "…" in lines[1] and "few words" in lines[2]


def test_it_is_said_how_far_the_last_run_looked_and_that_the_next_one_would_halt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = failure("2 columns are neither masked nor kept, in public.customer.")
    check = DriftCheck(NOW, "halts", 2, ("public.customer.note",), (), why)
    look = KeptLook(columns=9, looked_at=7, rows=4_000, found=1, found_in=("public.orders",))
    _show(report(workflows=(workflow_state("shop", kept=look, drift_check=check),)))
    shown = capsys.readouterr().out
    assert "7 of 9, 1 look personal" in shown
    assert "The next run of shop would halt." in shown and "public.customer.note" in shown
    assert "appliance plan shop.yaml" in shown
