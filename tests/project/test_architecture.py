"""docs/architecture.md names the files and folders that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.test_project import ROOT, tracked

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PATH = re.compile(r"(?:[\w.*-]+/)*[\w*-]+(?:/|\.(?:py|sql|html|css|js|toml|txt|md|json))")
NAMED = [
    (line, name)
    for number, line in enumerate(PAGE.splitlines())
    for name in re.findall(r"`([^`]+)`", line) + re.findall(r'(?:\["|, | > )([a-z_/]+(?:/|\.py))', line)
    if PATH.fullmatch(name)
]


def places(line: str) -> list[Path]:
    """Where a path on this line may begin: the tree, the package, or a folder that the line names."""
    named = [name for each, name in NAMED if each == line]
    folders = [name if name.endswith("/") else str(Path(name).parent) for name in named]
    roots = [ROOT, ROOT / "appliance"]
    return roots + [root / folder for root in roots for folder in folders]


@pytest.mark.parametrize(("line", "name"), dict.fromkeys(NAMED), ids=lambda each: each[:40])
def test_a_path_on_the_page_is_there(line: str, name: str) -> None:
    if any(True for place in places(line) for _ in place.glob(name)):
        return
    # In prose a bare name stands for the only file of that name; what a run writes is in no tree.
    written_by_a_run = {"spec.json", "plan.json", "kept.json", "originals.json", "verify.json"}
    assert "/" not in name
    assert name in written_by_a_run | {path.name for path in tracked()}


def test_the_page_names_the_rooms_that_there_are() -> None:
    rooms = {path.relative_to(ROOT / "appliance").parts[0] for path in (ROOT / "appliance").glob("*/*.py")}
    assert [room for room in sorted(rooms) if f"{room}/" not in PAGE] == []
    assert len(NAMED) > 100


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name
)
def test_every_file_of_the_tree_that_a_page_names_is_there(page: Path) -> None:
    rooms = "appliance|provisioning|compose|systemd|dags|bench|docs|tests|requirements|scripts"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]+)`", page.read_text()))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
