"""A branch of the twin, and a bad and a good migration rehearsed in branches of their own."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from .sample_workflow import ID
from .stack import Stack

BRANCH = "demo"
BAD_MIGRATION = "ALTER TABLE public.orders ADD COLUMN priority int DEFAULT random() * 10"
"""It writes the whole table anew, while readers and writers wait."""
GOOD_MIGRATION = "ALTER TABLE public.orders ADD COLUMN priority int DEFAULT 5"
"""With a constant default it does not."""


def branch(console: Console, stack: Stack) -> None:
    """Make one, which ends by itself; a former demo's is made anew."""
    _title(console, "A branch of the twin, for an hour")
    there = stack.execute("operator", "appliance", "branch", "list", ID, check=False)
    act = ("reset", ID, BRANCH) if BRANCH in there.split() else ("create", ID, BRANCH, "--ttl", "1h")
    _shown(console, stack.execute("operator", "appliance", "branch", *act, check=False))


def rehearsals(console: Console, stack: Stack) -> None:
    """Both migrations, as the terminal shows them: the one is above the workflow's threshold."""
    for title, migration in (("A bad migration", BAD_MIGRATION), ("A good migration", GOOD_MIGRATION)):
        _title(console, f"{title}, rehearsed in a branch: {migration}")
        command = ("appliance", "rehearse", ID, "--sql", "-")
        _shown(console, stack.execute("operator", *command, check=False, given=f"{migration};\n"))


def _title(console: Console, what: str) -> None:
    console.print(Text(what, style="bold"), soft_wrap=True)


def _shown(console: Console, printed: str) -> None:
    console.print(printed.strip(), markup=False, highlight=False, soft_wrap=True)
    console.print()
