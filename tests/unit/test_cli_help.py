"""The help of every command: it fits, it is whole sentences, and its examples can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from appliance.cli.main import CommandModules, app
from appliance.cli.terminal.examples import EXAMPLES
from tests.unit.test_cli_main import run

_NARROW = 80


def leaves() -> Iterator[tuple[str, Any]]:
    def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if not children:
            yield path, command
            return
        for name, child in children.items():
            yield from walk(f"{path} {name}".strip(), child)

    modules = CommandModules()
    for name in modules:
        yield from walk(name, modules[name])


LEAVES = dict(leaves())


def groups() -> list[list[str]]:
    return [[], *([name] for name in sorted({path.split()[0] for path in LEAVES if " " in path}))]


@pytest.mark.parametrize("group", groups(), ids=lambda words: " ".join(words) or "all")
def test_a_list_of_commands_says_a_whole_sentence_of_each_on_one_line(group: list[str]) -> None:
    shown = run(*group, "--help", COLUMNS=str(_NARROW)).stdout
    lines = shown.partition("Commands:\n")[2].splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"  [a-z]+ +[A-Z].*\.", line), line
        assert len(line) <= _NARROW and "..." not in line


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_a_commands_help_is_plain(path: str) -> None:
    command = LEAVES[path]
    context = command.make_context(path, [], resilient_parsing=True)
    usage = command.get_usage(context)
    assert "..." not in usage and "[[" not in usage and "{" not in usage, usage
    shown = command.get_help(context)
    assert "`" not in shown and "<str>" not in shown
    assert re.search(r"Examples?:", shown)


@pytest.mark.parametrize(
    ("path", "example"), [(path, line) for path, lines in EXAMPLES.items() for line in lines]
)
def test_every_example_can_be_typed(path: str, example: str) -> None:
    words = shlex.split(re.split(r" [<>|] ", example)[0])
    assert words[:1] == ["sudo"] or words[:1] == ["appliance"]
    words = words[words.index("appliance") + 1 :]
    assert words[: len(path.split())] == path.split()
    context = LEAVES[path].make_context(path, words[len(path.split()) :])
    assert context.info_name == path


def test_every_command_has_an_example_and_no_example_is_of_another() -> None:
    assert set(LEAVES) == set(EXAMPLES)
    assert get_command(app)


def test_help_takes_the_words_of_a_command() -> None:
    assert run("help", "workflow", "start").stdout == run("workflow", "start", "--help").stdout
    assert run("help").stdout == run("--help").stdout
    unknown = run("help", "nonsense")
    assert unknown.returncode == 2 and "No such command" in unknown.stderr
