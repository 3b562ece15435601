"""How a command's help looks: whole sentences in lists, plain names of arguments, examples at the end."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Literal

from appliance.cli.terminal.examples import EXAMPLES


def first_sentence(text: str) -> str:
    """What a list says of a command: its own help has the rest."""
    paragraph = inspect.cleandoc(text).split("\n\n")[0]
    return re.split(r"(?<=\.)\s", " ".join(paragraph.split()), maxsplit=1)[0]


def dress(command: Any, path: str, markup: Literal["rich"] | None) -> None:
    """Give the command named by ``path`` and all below it the look; boxes and colours where ``markup`` is."""
    command.rich_markup_mode = markup
    command.help = inspect.cleandoc(command.help or "").replace("`", "")
    command.short_help = first_sentence(command.help)
    children = getattr(command, "commands", None)
    for parameter in command.params:
        _name_values(parameter)
    if children is None:
        command.collect_usage_pieces = _usage_of(command)
        if examples := EXAMPLES.get(path):
            command.epilog = _epilog(examples, markup)
        return
    for name, child in children.items():
        dress(child, f"{path} {name}", markup)


def argument_name(argument: Any) -> str:
    """As it stands in a line of usage: in brackets where it may be left out."""
    name = str(argument.metavar or argument.name.upper()).strip("[]")
    return name if argument.required else f"[{name}]"


def _usage_of(command: Any) -> Callable[[Any], list[str]]:
    def pieces(_: Any) -> list[str]:
        shown = [
            each
            for each in command.params
            if each.param_type_name == "argument" and not getattr(each, "hidden", False)
        ]
        return [*map(argument_name, shown), "[OPTIONS]"]

    return pieces


def _name_values(parameter: Any) -> None:
    """``--step STEP`` instead of ``--step <str>``, and no type beside an argument's name."""
    is_switch = getattr(parameter, "is_flag", False)
    if parameter.param_type_name == "argument" or is_switch:
        parameter.display_type_rich = lambda ctx: ""  # noqa: ARG005 - as typer calls it
        return
    described = getattr(parameter, "type_descriptor", None)
    takes_a_choice = getattr(described, "is_choice", False)
    if parameter.metavar is None and not takes_a_choice:
        parameter.metavar = parameter.name.rstrip("_").upper()


def _epilog(examples: tuple[str, ...], markup: Literal["rich"] | None) -> str:
    title = "Example:" if len(examples) == 1 else "Examples:"
    if markup is None:
        # The mark keeps the lines as they are.
        return "\b\n" + "\n".join([title, *(f"  {example}" for example in examples)])
    return "\n".join([title, *(f"  {example}" for example in examples)])
