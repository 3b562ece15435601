"""``appliance``: one module a command group in the rooms beside this one, imported only when it is asked for.

A module of these rooms that assigns ``app = typer.Typer(…)`` is a command of the module's name; the
first paragraph of its docstring is its help. Groups register nothing here, and ``appliance --help`` imports
none of them.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import typer.core
import typer.main

from appliance import __version__
from appliance.cli.terminal.help_text import dress, first_sentence
from appliance.errors import ApplianceError, ExitCode, WrongRequestError

DEBUG_VARIABLE = "APPLIANCE_DEBUG"

_FOLDER = Path(__file__).parent
_ROOMS = ("workflows", "copies", "host", ".")
_IS_COMMAND = re.compile(r"^app(: .*)? = ", re.MULTILINE)
_SUMMARY = re.compile(r'\A"""(.+?)(?:"""|\n\n|\Z)', re.DOTALL)


_COMPLETION_OPTIONS = ("install_completion", "show_completion")
"""Typer gives these to every app of its own; ours belong to the whole."""

MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() else None
"""Boxes and colours are for eyes; a pipe gets plain text, and gets it sooner."""


def _name(path: Path) -> str:
    return path.stem


class CommandModules(MutableMapping[str, Any]):
    """Commands by name; a value's module is imported when it is first looked at."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}
        self._summaries: dict[str, str] = {}
        self._modules: dict[str, str] = {}
        for path in sorted((path for room in _ROOMS for path in (_FOLDER / room).glob("*.py")), key=_name):
            source = path.read_text(encoding="utf-8")
            if path.stem != "main" and not path.stem.startswith("_") and _IS_COMMAND.search(source):
                summary = _SUMMARY.match(source)
                self._summaries[path.stem] = first_sentence(summary[1]) if summary else ""
                inside = path.relative_to(_FOLDER).with_suffix("")
                self._modules[path.stem] = ".".join((__package__, *inside.parts))

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            module = importlib.import_module(self._modules[name])
            command = typer.main.get_command(module.app)
            command.name = name
            command.help = command.help or self._summaries[name]
            command.params = [each for each in command.params if each.name not in _COMPLETION_OPTIONS]
            dress(command, name, MARKUP)
            self._loaded[name] = command
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command
        self._summaries.setdefault(name, "")

    def __delitem__(self, name: str) -> None:
        self._loaded.pop(name, None)
        del self._summaries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._summaries)

    def __len__(self) -> int:
        return len(self._summaries)

    def summary(self, name: str) -> str | None:
        """The command's one-line help, without importing it; None if there is no such command."""
        return self._summaries.get(name)


class LazyGroup(typer.core.TyperGroup):
    """Lists commands without importing them, and imports the one that is to run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: CommandModules = CommandModules()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, in order."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Something that knows its name and help, which is all that listing and completion want."""
        summary = self.commands.summary(cmd_name)
        return (
            None
            if summary is None
            else typer.core.TyperCommand(name=cmd_name, help=summary, short_help=summary)
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, for running it, for its help, and for completing what follows it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name == "run" and rest[:1] == ["show"]:
            # `run` takes a workflow's file; a run that has been is shown by `runs`.
            name, rest = "runs", rest[1:]
        return name, self.commands[name] if name and command else command, rest


app = typer.Typer(
    cls=LazyGroup,
    name="appliance",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"appliance {__version__}")
        raise typer.Exit()


@app.callback()
def _appliance(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Masked copies of PostgreSQL data, made inside your own network.

    Exit status: 0 done, 1 the work failed, 2 the request was wrong, 3 refused by policy or by a plan that
    would have let something through unmasked.
    """


def main() -> None:
    """Run the command line and exit. A person sees a message, never a traceback."""
    try:
        app(prog_name="appliance")
    except ApplianceError as error:
        _exit(error.text(), error.exit_code, error)
    except PermissionError as error:
        wrong = _not_permitted(error)
        _exit(
            wrong.text() if wrong else _unexpected(error),
            wrong.exit_code if wrong else ExitCode.WORK_FAILED,
            error,
        )
    except Exception as error:
        _exit(_unexpected(error), ExitCode.WORK_FAILED, error)


def _not_permitted(error: PermissionError) -> WrongRequestError | None:
    """The appliance's files are closed to other users: for them it is no fault. For root it would be."""
    if os.geteuid() == 0 or not isinstance(error.filename, str):
        return None
    return WrongRequestError(
        f"{error.filename} is not open to you.",
        "What belongs to the appliance can be read by root only.",
        "Put sudo before the command.",
    )


def _exit(message: str, code: int, error: Exception) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    else:
        from appliance.documents.problems import printable  # noqa: PLC0415 - only what fails needs it

        # A name in it may be one given to a table to play with terminals.
        typer.echo("\n".join(printable(line) for line in message.split("\n")), err=True)
    sys.exit(code)


def _unexpected(error: Exception) -> str:
    """Class and place only: the text of a foreign exception may hold a row's value or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "appliance" in Path(frame.filename).parts] or frames
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    state = getattr(error, "sqlstate", None)
    return (
        f"This is a fault of the appliance itself: {type(error).__name__}{place}"
        + (f", SQLSTATE {state}" if state else "")
        + f".\nNext: run it again with {DEBUG_VARIABLE}=1 to see where; what is shown then may hold data."
    )


if __name__ == "__main__":
    main()
