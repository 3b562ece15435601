"""Collect what a person who helps needs, without secrets."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def diagnostics(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write it (default: here, by the time)."
        ),
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only show what would be in it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before writing.")] = False,
) -> None:
    """Collect what a person who helps needs, without secrets.

    Nothing is sent: it shows what is inside and where it lies, and what becomes of it is up to you. It also
    works while PostgreSQL, Docker or systemd does not.
    """
    from appliance.cli.terminal.output import print_table, size  # noqa: PLC0415 - help must be instant
    from appliance.diagnostics.archive import collect, write_archive  # noqa: PLC0415
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    path = output or Path(f"appliance-diagnostics-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    if path.exists() and not only_list:
        raise WrongRequestError(f"{path} is there already.", "", "Name another file with --output.")
    files = collect(load_settings())
    rows = [(file.name, size(file.bytes), file.problem or file.about) for file in files]
    print_table(("file", "size", "what"), rows)
    if only_list:
        return
    typer.echo("")
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Write these {len(files)} files to {path}?", default=True, abort=True)
    write_archive(files, path)
    typer.echo(f"Written to {path} ({size(path.stat().st_size)}). Nothing has been sent.")
    typer.echo(f"Next: look at what is in it (tar xzf {path}), then give it to the person who helps.")
