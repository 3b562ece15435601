"""The help of every command: it fits, it is whole sentences, and its examples can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.cli.main import CommandModules
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
def test_a_list_of_commands_says_a_whole_sentence_of_each(group: list[str]) -> None:
    shown = run(*group, "--help", COLUMNS=str(_NARROW)).stdout
    lines = shown.partition("Commands:\n")[2].splitlines()
    assert lines and max(map(len, lines)) <= _NARROW
    options = re.split(r"\n(?=  [a-z])", "\n".join(lines))
    for each in options:
        assert re.fullmatch(r"(?s)  [a-z]+ +[A-Z].*\.", each) and "..." not in each, each


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_a_commands_help_is_plain(path: str) -> None:
    command = LEAVES[path]
    context = command.make_context(path, [], resilient_parsing=True)
    usage = command.get_usage(context)
    assert "..." not in usage and "[[" not in usage and "{" not in usage, usage
    shown = command.get_help(context)
    assert "`" not in shown and "<str>" not in shown
    assert (path in EXAMPLES) == bool(re.search(r"Examples?:", shown))


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


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    assert set(EXAMPLES) <= set(LEAVES)


def test_help_takes_the_words_of_a_command() -> None:
    assert run("help", "workflow", "start").stdout == run("workflow", "start", "--help").stdout
    assert run("help").stdout == run("--help").stdout
    unknown = run("help", "nonsense")
    assert unknown.returncode == 2 and "No such command" in unknown.stderr
