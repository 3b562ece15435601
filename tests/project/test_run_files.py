"""The files of a run and the labels of its containers have their names in one place each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from appliance import run_folder
from appliance.system import container_labels

ROOT = Path(__file__).parents[2]
FILES = re.compile(r"(^|/)(spec|snapshot|plan|verify|stop|over)\.json$|\.finished\.json$")
LABELS = re.compile(r"label=appliance\.|\.Label \"?appliance\.|^appliance\.(instance|run|step|part|try)$")


def written(pattern: re.Pattern[str], *folders: str) -> Iterator[str]:
    """Where a text of the program matches."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and pattern.search(node.value)
                ):
                    yield str(path.relative_to(ROOT))


def test_the_name_of_a_run_s_file_is_written_in_run_folder_only() -> None:
    assert set(written(FILES, "appliance")) == {"appliance/run_folder.py"}
    assert FILES.search(run_folder.SPEC) and FILES.search(run_folder.FINISHED)


def test_the_labels_of_step_containers_are_written_once() -> None:
    assert set(written(LABELS, "appliance", "bench")) == {"appliance/system/container_labels.py"}
    assert LABELS.search(container_labels.RUN)
