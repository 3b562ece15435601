"""List, show and check receipts: the signed records of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import run_ids

app = typer.Typer(no_args_is_help=True)

Which = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, or a receipt's number.", autocompletion=run_ids)
]
State = Annotated[
    Path | None,
    typer.Option("--state", help="Where receipts/ and keys/ are (default: the appliance's).", metavar="DIR"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _receipt() -> None:
    """Signed records of runs, chained one to the next, that anyone can check with the public key alone."""


@app.command("list")
def list_(state: State = None, as_json: AsJson = False) -> None:
    """List the receipts on this appliance, the newest first, each checked."""
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help is instant
    from appliance.cli.terminal.results.receipts import list_columns, list_rows  # noqa: PLC0415
    from appliance.cli.work.copies.receipts import Receipts  # noqa: PLC0415

    checked = Receipts(state).check_all()
    rows = list_rows(checked)
    if as_json:
        print_json([dict(zip(list_columns, row, strict=True)) for row in rows])
    else:
        print_table(list_columns, rows, empty="There are no receipts yet: each run writes one.")
    _tell(checked.faults, checked.notes)


@app.command()
def show(which: Which, state: State = None, as_json: AsJson = False) -> None:
    """Show what the receipts of a run say, in a few lines; --json has all of it."""
    from appliance.cli.terminal.results.receipts import print_receipt  # noqa: PLC0415
    from appliance.cli.work.copies.receipts import Receipts  # noqa: PLC0415

    receipts = Receipts(state)
    for entry in receipts.find(which):
        verdict = receipts.believed(entry)
        if as_json:
            assert verdict.signed is not None  # noqa: S101 - believed
            typer.echo(verdict.signed.envelope.payload.decode())
        else:
            print_receipt(verdict)


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Receipts; or folders of them.")],
    key: Annotated[
        Path | None, typer.Option(help="The public key; else this appliance's own.", metavar="FILE")
    ] = None,
    state: State = None,
) -> None:
    """Check receipts, and the chain that they form, with nothing but the public key.

    Works on any machine. Exit status 1 where one was changed, is missing, or was signed by another key.
    """
    from appliance.cli.terminal.results.receipts import print_checked  # noqa: PLC0415
    from appliance.cli.work.copies.receipts import verify_files  # noqa: PLC0415

    checked = verify_files(files, key, state)
    print_checked(checked)
    if not checked.good:
        raise typer.Exit(1)


@app.command()
def export(
    into: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is made.")],
    run: Annotated[str | None, typer.Option(help="Only the receipts of this run.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Beside each, a page to print.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="And the page as PDF, by Chromium.")] = False,
    state: State = None,
) -> None:
    """Copy receipts and the public key to a folder, for those who check them."""
    from appliance.cli.work.copies.receipts import Receipts  # noqa: PLC0415

    written = Receipts(state).export(into, run, page=page or pdf, pdf=pdf)
    typer.echo(f"{written} receipts and receipts.pub are in {into}.")
    typer.echo(f"Next: appliance receipt verify {into} --key {into}/receipts.pub")


@app.command()
def key(
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make another key; the old one signs that it follows.")
    ] = False,
    state: State = None,
) -> None:
    """Print the public key that receipts are checked with."""
    from appliance.cli.work.copies.receipts import Receipts  # noqa: PLC0415

    receipts = Receipts(state)
    typer.echo(receipts.rotate() if rotate else receipts.public_key(), nl=False)


@app.command()
def audit(
    which: Which,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Another database of that server, such as the former twin.")
    ] = None,
    state: State = None,
) -> None:
    """Hold the twin that stands against the receipt of its run: which tables differ from what was signed.

    Reads the whole twin. Exit status 1 where anything differs; the twin's users may have written to it.
    """
    from appliance.cli.work.copies.receipts import Receipts  # noqa: PLC0415

    receipts = Receipts(state)
    same = True
    for line, equal in receipts.audit(which, connections, database):
        typer.echo(line)
        same = same and equal
    if not same:
        raise typer.Exit(1)


def _tell(faults: tuple[str, ...], notes: tuple[str, ...]) -> None:
    for note in notes:
        typer.echo(f"Note: {note}")
    if faults:
        for fault in faults:
            typer.echo(fault, err=True)
        raise typer.Exit(1)
