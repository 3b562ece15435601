"""Fetch what a workflow delivered to this machine, and restore it into a database here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def pull(  # noqa: PLR0917 - typer goes by names
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's id.")],
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Which run (default: the newest).")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="URL", help="The database to restore into, as postgresql://localhost/shop."
        ),
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="A folder to fetch the files to.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ADDRESS",
            envvar="APPLIANCE_PULL_FROM",
            help="The appliance's status service, as https://appliance.corp:8642.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="Holds your token (default: APPLIANCE_PULL_TOKEN, or ~/.config/appliance/pull-token).",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="A CA's certificate, where this machine knows it not."),
    ] = None,
    bucket: Annotated[
        str | None,
        typer.Option("--bucket", metavar="NAME", help="Fetch from this bucket of --connections instead."),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="What the delivery's folders begin with there.")
    ] = "",
    connections: Annotated[
        Path | None,
        typer.Option("--connections", metavar="FILE", help="Has the bucket and your own credentials for it."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="With --into: only these; may be given again."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many tables and indexes at a time.")] = 4,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a database that is not empty, and end its sessions.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the fetched archive for the next time.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Show what could be fetched, and fetch nothing.")
    ] = False,
) -> None:
    """Fetch what a workflow delivered, and restore it into a database of your own.

    What was cut off goes on where it ended. Every file's SHA-256 is checked. The database is built under
    another name and takes its own when it is whole.
    """
    from appliance.cli.work.copies.pulling import Pulling, print_exports, pull_files, pull_to  # noqa: PLC0415

    asked = Pulling(
        workflow=workflow,
        run=run,
        address=from_,
        token_file=token_file,
        ca=ca,
        bucket=bucket,
        prefix=prefix,
        connections=connections,
    )
    asked.check(to=to is not None, into=into is not None, listing=list_)
    if list_:
        print_exports(asked)
    elif to is not None:
        pull_to(asked, to, jobs=jobs, replace=replace, keep=keep)
    elif into is not None:
        pull_files(asked, into, formats or [])
