"""Try a migration in a branch of the twin, and say what it locked and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import connection_names, workflow_ids

app = typer.Typer()


@app.command()
def rehearse(  # noqa: PLR0917 - as typer has it
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="WORKFLOW", help="The workflow's id, or its file.", autocompletion=workflow_ids
        ),
    ],
    sql: Annotated[
        list[Path] | None,
        typer.Option(
            "--sql",
            metavar="FILE",
            help="The migration: a file, a folder's *.sql, or - for standard input. Again for more.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", metavar="IMAGE", help="The migration: an image that policy.yaml names."),
    ] = None,
    command: Annotated[
        str, typer.Option("--command", metavar="WORDS", help="Arguments for the image's entry point.")
    ] = "",
    down: Annotated[
        list[Path] | None,
        typer.Option(
            "--down", metavar="FILE", help="Its way back; then the schema is compared. Again for more."
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the branch; it ends by itself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there as well.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write Markdown there as well, for a pull request."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="CONNECTION",
            help="Which twin, where the workflow has several.",
            autocompletion=connection_names,
        ),
    ] = None,
    connections: Annotated[
        Path | None, typer.Option("--connections", help="Connections file (default: the appliance's own).")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file (default: the appliance's own).")
    ] = None,
) -> None:
    """Perform a migration in a branch of the twin, under watch; the branch is dropped afterwards.

    Of each statement: its time, the strongest lock on each table and how long it was held, what it rewrote,
    built or left invalid. Of each table: how long readers and writers were kept waiting.

    Exit status: 0 it passed, 1 it failed, 2 it cannot be rehearsed, 3 it is above a threshold of the
    workflow's rehearsal, or policy allows no branch.
    """
    from appliance.cli.terminal.results.rehearsal import print_rehearsal  # noqa: PLC0415 - help does without
    from appliance.cli.work.copies.branch_server import BranchesOfWorkflow  # noqa: PLC0415
    from appliance.cli.work.workflows.local import interruptible  # noqa: PLC0415
    from appliance.cli.work.workflows.rehearsed_image import image_program  # noqa: PLC0415
    from appliance.cli.work.workflows.rehearsing import (  # noqa: PLC0415
        exit_code,
        files_of,
        rehearser_of,
        write_report,
    )
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.rehearsals.rehearsing import read_script  # noqa: PLC0415
    from appliance.rehearsals.results.written import junit as junit_of  # noqa: PLC0415
    from appliance.rehearsals.results.written import markdown as markdown_of  # noqa: PLC0415

    if bool(sql) == bool(image):
        raise WrongRequestError(
            "There is no migration to rehearse." if not sql else "There are two migrations to rehearse.",
            "It is in files of SQL, or it is an image.",
            "--sql FILE, or --image IMAGE",
        )
    if command and not image:
        raise WrongRequestError("--command is for an image.", "Files of SQL take none.", "--image IMAGE")
    script = read_script(files_of(sql)) if sql else None
    down_script = read_script(files_of(down)) if down else None
    branches = BranchesOfWorkflow(workflow, on, connections, policy)
    migration = script or image_program(branches, image or "", command, policy, _say)
    with interruptible("The rehearsal") as interruption:
        rehearser = rehearser_of(branches, _say, interruption.asked)
        rehearsal = rehearser.rehearse(migration, down_script, keep=keep)
    if junit is not None:
        write_report(junit, junit_of(rehearsal))
    if markdown is not None:
        write_report(markdown, markdown_of(rehearsal))
    if as_json:
        typer.echo(rehearsal.model_dump_json(indent=2))
    else:
        print_rehearsal(rehearsal)
    raise typer.Exit(exit_code(rehearsal))


def _say(line: str) -> None:
    typer.echo(line, err=True)
