"""What holds for the project as a whole: its files, its locks, its README, its scripts."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
OF_THE_DEMO = "bucket-server"
LONGEST_FILE = 320
"""About 300 lines; a little room so that a fix does not begin with a split."""
LONGEST_TEST_FILE = 400
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project, as git knows it and the working tree has it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def python_files(*folders: str) -> Iterator[Path]:
    for path in tracked():
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders):
            yield path


def pins(lock: Path) -> dict[str, list[str]]:
    """name → every version that the lock file pins (several where they depend on the Python)."""
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


def test_no_python_file_is_too_long_to_read_in_one_go() -> None:
    too_long = {}
    for path in python_files():
        place = path.relative_to(ROOT)
        length = len(path.read_text().splitlines())
        if length > (LONGEST_TEST_FILE if place.parts[0] == "tests" else LONGEST_FILE):
            too_long[str(place)] = length
    assert too_long == {}


def test_every_file_is_named_after_what_it_holds() -> None:
    assert [path for path in python_files() if path.stem in NAMES_THAT_SAY_NOTHING] == []


def test_what_a_signature_does_not_say_is_said_in_a_docstring() -> None:
    silent = []
    for path in python_files("appliance", "docs"):
        tree = ast.parse(path.read_text())
        place = path.relative_to(ROOT)
        if tree.body and not ast.get_docstring(tree):
            silent.append(f"{place}")
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and leaves_questions(node) and not ast.get_docstring(node):
                silent.append(f"{place}:{node.lineno} {node.name}")
    assert silent == []


LONGEST_OBVIOUS = 8
"""Lines of a function or class that can be read as fast as a sentence about it."""
BARE = {"int", "float", "tuple", "dict", "bytes"}
"""What has a unit, a shape or an encoding that its type does not say."""


def leaves_questions(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """It is long, raises, or gives or takes a bare number, tuple or mapping."""
    said: list[ast.expr | None] = []
    if isinstance(node, ast.FunctionDef):
        said = [node.returns, *(argument.annotation for argument in node.args.args + node.args.kwonlyargs)]
    bare = {inner.id for each in said if each for inner in ast.walk(each) if isinstance(inner, ast.Name)}
    is_long = (node.end_lineno or node.lineno) - node.lineno >= LONGEST_OBVIOUS
    raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    return is_long or raises or bool(bare & BARE)


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("def port_of(url: Url) -> str: ...", False),
        ("class Gone(Exception): ...", False),
        ("def wait(limit: float) -> None: ...", True),
        ("def place(row: Row) -> tuple[str, int] | None: ...", True),
        ("def open_it(path: Path) -> File:\n    raise Gone", True),
        ("class Long:\n" + "    x: str\n" * 9, True),
    ],
)
def test_a_docstring_is_asked_for_where_there_is_something_to_say(code: str, asked: bool) -> None:
    (node,) = ast.parse(code).body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    assert leaves_questions(node) == asked


def test_no_docstring_is_there_for_its_own_sake() -> None:
    empty = re.compile(r"(It is|In words|All of (it|them)|Everybody|Every (one|row)|The (page|form))\.")
    found = []
    for path in python_files("appliance", "docs", "provisioning"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and empty.fullmatch(ast.get_docstring(node) or ""):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert found == []


def test_nothing_is_left_for_later_in_a_comment() -> None:
    unfinished = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    found = [str(path.relative_to(ROOT)) for path in python_files() if unfinished.search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_address_and_hashes_everything(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^--(?!hash)", text, re.MULTILINE)
    requirements = re.findall(r"^\S+==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(requirements) == sum(len(versions) for versions in pins(lock).values())
    assert [requirement for requirement in requirements if "--hash=sha256:" not in requirement] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_two_locks_disagree(lock: Path) -> None:
    everything = pins(ROOT / "requirements" / "test.txt")
    if lock.stem == OF_THE_DEMO:
        # A program that runs in its image alone: no test has it.
        everything = pins(lock) | everything
    assert {name: pin for name, pin in pins(lock).items() if everything.get(name) != pin} == {}


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"engine": project["dependencies"]}
    for extra, requirements in project["optional-dependencies"].items():
        wanted[extra] = project["dependencies"] + requirements
        wanted.setdefault("test", []).extend(requirements)
    missing = []
    for name, requirements in wanted.items():
        locked = pins(ROOT / "requirements" / f"{name}.txt")
        for requirement in map(Requirement, requirements):
            versions = locked.get(canonicalize_name(requirement.name), [])
            if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
                missing.append(f"{name}: {requirement}")
    assert missing == [], "run: make lock"


def test_steps_do_without_airflow() -> None:
    assert not [name for name in pins(ROOT / "requirements" / "engine.txt") if "airflow" in name]


def test_shell_scripts_are_clean() -> None:
    scripts = [path for path in tracked() if path.suffix == ".sh"]
    assert scripts
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "make test installs it"
    done = subprocess.run(
        [shellcheck, "--external-sources", "--shell=bash", *scripts],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_hooks_before_a_commit_are_the_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checks = re.findall(r'^check "[^"]+" (.+)$', (ROOT / "scripts/check.sh").read_text(), re.M)
    assert {hook["entry"] for hook in hooks} == {check.removesuffix(" .") for check in checks}


def test_editors_wrap_lines_where_the_checks_do() -> None:
    rules = (ROOT / ".editorconfig").read_text()
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert f"max_line_length = {ruff['line-length']}\n" in rules


def test_every_command_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert targets == phony
    assert set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)) == targets


def test_the_readme_names_only_commands_that_exist() -> None:
    code = "\n".join(code_of((ROOT / "README.md").read_text()))
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", code))
    assert targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()
    commands = set(re.findall(r"\bappliance ((?:workflow |connections )?[a-z]+)\b", code))
    assert commands
    for command in commands:
        run = [Path(sys.executable).parent / "appliance", *command.split(), "--help"]
        assert subprocess.run(run, capture_output=True, check=False).returncode == 0, command


def test_the_readme_links_only_to_what_is_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def code_of(markdown: str) -> list[str]:
    """The code in a page: fenced blocks and inline pieces."""
    fenced = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return fenced.findall(markdown) + re.findall(r"`([^`\n]+)`", fenced.sub("", markdown))


def test_the_workflow_in_the_readme_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    workflows = [block for block in blocks if "\nid: " in f"\n{block}"]
    assert workflows
    for number, block in enumerate(workflows):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block)
        validate(file)


def test_the_workflows_of_the_demo_and_the_measurements_are_valid() -> None:
    for file in [*(ROOT / "compose" / "demo" / "workflows").glob("*.yaml"), ROOT / "bench" / "workflow.yaml"]:
        validate(file)


def validate(file: Path) -> None:
    command = [Path(sys.executable).parent / "appliance", "workflow", "validate", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_variables_in_the_readme_are_those_that_the_demo_reads() -> None:
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"`([A-Z][A-Z_]+)`", "".join(re.findall(r"^\| `[A-Z].*$", readme, re.MULTILINE))))
    read = [ROOT / "compose" / "compose.yaml", ROOT / "compose" / "demo" / "stack.py"]
    read += [path for path in tracked() if path.parent.name == "scripts"]
    text = "".join(path.read_text() for path in read)
    assert {name for name in listed if name not in text} == set()
