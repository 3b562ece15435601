"""The command line's man page and shell completion, written from the commands themselves.

``python -m appliance.cli.work.host.shell_files man``, or ``completion bash|zsh|fish``: run when a release is
installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer._completion_shared import get_completion_script
from typer.main import get_command

PROGRAM = "appliance"


def main(arguments: list[str]) -> int:
    """Print what was asked for; exit status 2 for anything unknown."""
    match arguments:
        case ["man"]:
            sys.stdout.write(man_page(_command()))
        case ["completion", ("bash" | "zsh" | "fish") as shell]:
            variable = f"_{PROGRAM.upper()}_COMPLETE"
            script = get_completion_script(prog_name=PROGRAM, complete_var=variable, shell=shell)
            sys.stdout.write(script + "\n")
        case _:
            sys.stderr.write("usage: shell_files man|completion bash|zsh|fish\n")
            return 2
    return 0


def _command() -> Any:
    from appliance.cli.main import app  # noqa: PLC0415 -- completion scripts need none of it

    return get_command(app)


def man_page(command: Any) -> str:
    """A page of man(7) macros: every command with its arguments and options."""
    lines = [
        f".TH {PROGRAM.upper()} 1",
        ".SH NAME",
        f"{PROGRAM} \\- {_plain(_summary(command))}",
        ".SH SYNOPSIS",
        f".B {PROGRAM}",
        ".I COMMAND",
        "[OPTIONS]",
        ".SH COMMANDS",
    ]
    for path, found in _leaves(command, PROGRAM):
        lines += [f".SS {path}", *_command_text(found)]
    lines += [
        ".SH EXIT STATUS",
        "0 done; 1 the work failed; 2 the request was wrong; 3 refused by policy or by a plan.",
        ".SH FILES",
        ".TP",
        ".I /etc/appliance/",
        "appliance.yaml, connections.yaml, policy.yaml and workflows/.",
        ".TP",
        ".I /var/lib/appliance/",
        "Runs, exports, receipts and keys.",
        "",
    ]
    return "\n".join(lines)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name in sorted(children):
        if not children[name].hidden:
            yield from _leaves(children[name], f"{path} {name}")


def _command_text(command: Any) -> Iterator[str]:
    yield _plain(command.help or command.short_help or "")
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        named = (
            f"{', '.join(parameter.opts)}{_value(parameter)}"
            if parameter.param_type_name == "option"
            else str(parameter.metavar or parameter.name).upper()
        )
        yield ".TP"
        yield f".B {_plain(named)}"
        yield _plain(getattr(parameter, "help", "") or "")


def _value(option: Any) -> str:
    """What an option takes, as `` FILE``; nothing for a switch."""
    if option.is_flag:
        return ""
    return f" {option.metavar or option.name.rstrip('_').upper()}"


def _summary(command: Any) -> str:
    return (command.help or "masked copies of PostgreSQL data").strip().splitlines()[0].rstrip(".")


def _plain(text: str) -> str:
    """Text that roff takes as text: a backslash, a leading dot or quote would be a command to it."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        "\\&" + line if line[:1] in {".", "'"} else line for line in escaped.strip().splitlines()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
