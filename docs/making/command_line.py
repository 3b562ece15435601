"""The page about the command line, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from appliance.cli.terminal.examples import EXAMPLES
from appliance.cli.terminal.help_text import argument_name, first_sentence

_OPENING = """# The command line

*Made by `make docs` from the commands; do not edit.* `appliance COMMAND --help` prints the same.

Exit status: 0 done, 1 the work failed, 2 the request was wrong, 3 refused by policy or by a plan that would
have let something through unmasked. `--json`, where a command has it, prints to standard output; messages
go to standard error.

`APPLIANCE_CONFIG` names another `appliance.yaml`. `APPLIANCE_DEBUG=1` shows where an unexpected fault
arose; what is shown then may hold data.
"""


def command_line_page() -> str:
    """The whole page, in Markdown."""
    from appliance.cli.main import app  # noqa: PLC0415 - other pages do without the command line

    root = get_command(app)
    commands = list(_leaves(root, "appliance"))
    index = [f"- [`{path}`](#{path.replace(' ', '-')}): {_summary(command)}" for path, command in commands]
    return "\n".join([_OPENING, *index, "", *(_section(path, command) for path, command in commands)])


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name in sorted(children):
        if not children[name].hidden:
            yield from _leaves(children[name], f"{path} {name}")


def _text(command: Any) -> str:
    return inspect.cleandoc(command.help or command.short_help or "").replace("``", "`")


def _summary(command: Any) -> str:
    return first_sentence(_text(command))


def _section(path: str, command: Any) -> str:
    shown = [each for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = " ".join([path, *map(argument_name, arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {path}", "", "```", usage, "```", "", _text(command), ""]
    if shown:
        lines += ["| | |", "| --- | --- |"]
        lines += [f"| `{argument_name(each)}` | {_help(each)} |" for each in arguments]
        lines += [f"| `{', '.join(each.opts)}{_value(each)}` | {_help(each)} |" for each in options]
        lines.append("")
    if examples := EXAMPLES.get(path.removeprefix("appliance ")):
        lines += ["```sh", *examples, "```", ""]
    return "\n".join(lines)


def _value(option: Any) -> str:
    """What an option takes, after a blank; nothing for a switch."""
    return "" if option.is_flag else f" {option.metavar or option.name.rstrip('_').upper()}"


def _help(parameter: Any) -> str:
    text = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    default = getattr(parameter, "default", None)
    shown = isinstance(default, int | float | str) and not isinstance(default, bool) and default != ""
    return f"{text} Default: {default}." if shown else text
