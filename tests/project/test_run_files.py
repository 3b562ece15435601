"""A run's files have their names in one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from appliance import run_folder

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"(^|/)(spec|snapshot|plan|verify|stop|over)\.json$|\.finished\.json$")


def test_the_name_of_a_run_s_file_is_written_in_run_folder_only() -> None:
    written: list[str] = []
    for path in sorted((ROOT / "appliance").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMES.search(node.value):
                written.append(str(path.relative_to(ROOT)))
    assert set(written) == {"appliance/run_folder.py"}, written
    assert NAMES.search(run_folder.SPEC) and NAMES.search(run_folder.FINISHED)
