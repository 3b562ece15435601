"""What ``appliance runs RUN`` prints of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli.workflows.runs import print_run
from appliance.store.rows import StepLine, TableLine
from tests.unit.example_report import run_details

AWKWARD = "public.two\nlines\x1b[2J"


def test_a_name_from_the_source_moves_no_cursor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = {"table": AWKWARD, "rows": 3, "kept": [AWKWARD], "rows_looked_at": 3, "found": [AWKWARD]}
    verify = StepLine("verify", None, 1, "succeeded", None, None, None, {"said": [said]}, 1.0)
    run = run_details(steps=(verify,), tables=(TableLine(AWKWARD, 3, 3, 10, True),))
    print_run(run, tmp_path)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.count(r"public.two\nlines\x1b[2J") == 4
