"""Work of an appliance that is elsewhere, for eyes."""

from __future__ import annotations

import typer

from appliance.cli.terminal.output import print_table
from appliance.cli.terminal.results.rehearsal import print_rehearsal
from appliance.cli.work.remote.work import Work
from appliance.documents.problems import printable
from appliance.rehearsals.results.written import IN_WORDS
from appliance.system.disk import readable

_COLUMNS = ("branch", "database", "run", "copy of", "size", "ends")


def print_work(work: Work) -> None:
    """What came of it."""
    if work.state != "done":
        rule = f" The rule is {work.rule}." if work.rule else ""
        typer.echo(printable((work.problem or f"It has {work.state}.") + rule), err=True)
        if work.state != "cancelled" or work.rehearsal is None:
            return
    rehearsal = work.rehearsal
    if rehearsal is not None:
        print_rehearsal(rehearsal)
    elif work.kind == "rehearse":
        typer.echo(IN_WORDS.get(work.verdict or "", "It is done."))
        typer.echo("Its report stays on the appliance: its policy shares no names.")
    else:
        rows = [
            (
                each.name,
                each.database or "",
                each.run_id,
                each.copy_of,
                readable(each.bytes),
                f"{each.ends_at:%Y-%m-%d %H:%M} UTC",
            )
            for each in work.branches
        ]
        print_table(_COLUMNS, rows, empty="There are no branches.")
