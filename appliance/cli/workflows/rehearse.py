"""Try a migration in a branch of the twin, and say what it locked and for how long."""

from __future__ import annotations

import typer

from appliance.cli.work.workflows.branch_options import (
    AsJson,
    Command,
    ConnectionsFile,
    Down,
    Image,
    Junit,
    Keep,
    Markdown,
    On,
    PolicyFile,
    Sql,
    Workflow,
)

app = typer.Typer()


@app.command()
def rehearse(  # noqa: PLR0917 - as typer has it
    workflow: Workflow,
    sql: Sql = None,
    image: Image = None,
    command: Command = "",
    down: Down = None,
    keep: Keep = False,
    as_json: AsJson = False,
    junit: Junit = None,
    markdown: Markdown = None,
    on: On = None,
    connections: ConnectionsFile = None,
    policy: PolicyFile = None,
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
        need_one_migration,
        rehearser_of,
        write_report,
    )
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.rehearsals.rehearsing import read_script  # noqa: PLC0415
    from appliance.rehearsals.results.written import junit as junit_of  # noqa: PLC0415
    from appliance.rehearsals.results.written import markdown as markdown_of  # noqa: PLC0415

    need_one_migration(sql, image)
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
