"""One way to say each thing: what has a home of its own is done nowhere else in the package."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DURABLE = "appliance/durable.py"
STREAMS = {"appliance/postgres/exporting/files.py", "appliance/exports/container_output.py"}
"""Files in a folder that takes its name only when all of it is there."""
MEASURES_THE_DISK = {"appliance/preflight/gather_storage.py"}


@cache
def nodes() -> tuple[tuple[str, ast.AST], ...]:
    """(file, node) of all the package's code."""
    files = sorted((ROOT / "appliance").rglob("*.py"))
    trees = ((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in files)
    return tuple((file, node) for file, tree in trees for node in ast.walk(tree))


def is_of_os(call: ast.Call, *names: str) -> bool:
    return ast.unparse(call.func) in {f"os.{name}" for name in names}


def replaces_a_file(call: ast.Call) -> bool:
    """``Path.replace`` has one argument, that of a text two."""
    is_method = isinstance(call.func, ast.Attribute) and call.func.attr == "replace"
    return is_method and len(call.args) == 1 and not call.keywords


def test_whole_files_are_written_and_synced_by_one_module() -> None:
    own = {
        file
        for file, node in nodes()
        if isinstance(node, ast.Call)
        and (is_of_os(node, "fsync", "fdatasync", "link", "replace") or replaces_a_file(node))
    }
    assert own - STREAMS - MEASURES_THE_DISK == {DURABLE}


def test_what_why_and_next_are_put_together_by_one_module() -> None:
    joining = {
        file for file, node in nodes() if isinstance(node, ast.JoinedStr) and "Next: {" in ast.unparse(node)
    }
    # After a backup nothing has failed: what comes next is all there is to say.
    assert joining <= {"appliance/cli/host/backup.py"}


def test_proc_is_read_by_one_module() -> None:
    texts = ((file, str(node.value)) for file, node in nodes() if isinstance(node, ast.Constant))
    named = {file for file, text in texts if text.startswith("/proc") and " " not in text}
    # An open file is handed on by its number: nothing is read there.
    by_number = {"appliance/system/beneath.py", "appliance/backups/postgres_tools.py"}
    assert named - by_number == {"appliance/system/proc.py"}
