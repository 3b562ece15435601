"""Ask an appliance that is elsewhere for branches and rehearsals, and wait for what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appliance.cli.work.workflows.branch_options import (
    AsJson,
    Command,
    Down,
    Image,
    Junit,
    Keep,
    Markdown,
    Name,
    OnElsewhere,
    Sql,
    Ttl,
    WorkflowElsewhere,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from appliance.cli.work.remote.work import Place, Work

app = typer.Typer(no_args_is_help=True)
branch = typer.Typer(no_args_is_help=True, help="Make, renew, list or drop branches of a twin.")
app.add_typer(branch, name="branch")

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="APPLIANCE_REMOTE_URL", help="The status service, or the dashboard, as https://…"
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Has the token; else APPLIANCE_REMOTE_TOKEN is it."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="APPLIANCE_REMOTE_CA",
        metavar="FILE",
        help="Certificates to trust instead of the machine's.",
    ),
]
ApplianceId = Annotated[
    str | None,
    typer.Option(
        "--appliance",
        envvar="APPLIANCE_REMOTE_APPLIANCE",
        metavar="ID",
        help="The URL is the dashboard's: ask this appliance through it.",
    ),
]


@app.callback()
def _remote() -> None:
    """Over the status service of an appliance, or through its dashboard, with a token.

    A connection that is lost is taken up again. The exit status is that of the work: 0 done, 1 failed,
    2 wrong, 3 refused by policy, or above a threshold.
    """


@app.command()
def rehearse(  # noqa: PLR0917 - as typer has it
    workflow: WorkflowElsewhere,
    sql: Sql = None,
    image: Image = None,
    command: Command = "",
    down: Down = None,
    keep: Keep = False,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    junit: Junit = None,
    markdown: Markdown = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Rehearse a migration there, in a branch of the twin; wait for its report."""
    from appliance.cli.work.remote.following import followed, started  # noqa: PLC0415
    from appliance.cli.work.workflows.rehearsed_image import words_of  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.rehearsing import files_of, need_one_migration  # noqa: PLC0415
    from appliance.rehearsals.rehearsing import read_script  # noqa: PLC0415

    need_one_migration(sql, image)
    wanted: dict[str, JsonValue] = {"workflow": workflow}
    # What cannot be rehearsed is said here already.
    for key, files in (("sql", sql), ("down", down)):
        if files:
            texts = read_script(files_of(files)).texts
            wanted[key] = [{"name": name, "text": text} for name, text in texts]
    if image:
        wanted |= {"image": image, "command": list(words_of(command))}
    wanted |= {"keep": True} if keep else {}
    wanted |= {"on": on} if on else {}
    place = _place(url, token_file, ca, appliance)
    work = followed(place, started(place, "rehearse", wanted))
    _show(work, as_json=as_json, junit=junit, markdown=markdown)


@app.command()
def wait(  # noqa: PLR0917
    work_id: Annotated[str, typer.Argument(metavar="ID", help="As it was printed when it was asked for.")],
    as_json: AsJson = False,
    junit: Junit = None,
    markdown: Markdown = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Take up again what was asked for before, until it is over."""
    from appliance.cli.work.remote.following import followed  # noqa: PLC0415 - help does without

    place = _place(url, token_file, ca, appliance)
    _show(followed(place, work_id), as_json=as_json, junit=junit, markdown=markdown)


@app.command()
def cancel(
    work_id: Annotated[str, typer.Argument(metavar="ID", help="As it was printed when it was asked for.")],
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """End a rehearsal there: within seconds its branch is gone. Waits for that."""
    from appliance.cli.work.remote.work import wait as wait_for  # noqa: PLC0415 - help does without
    from appliance.rehearsals.results.written import IN_WORDS  # noqa: PLC0415

    place = _place(url, token_file, ca, appliance)
    place.cancel(work_id)
    work = wait_for(place, work_id, lambda _: None)
    # It may have come to its end just then.
    ended = IN_WORDS["cancelled"] if work.state == "cancelled" else f"It was over just then: {work.state}."
    typer.echo(ended)


@branch.command()
def create(  # noqa: PLR0917
    workflow: WorkflowElsewhere,
    name: Name,
    ttl: Ttl = None,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Make a branch: a database of its own, with the rows of the newest run."""
    _at_branch("create", workflow, name, ttl, on, as_json, _place(url, token_file, ca, appliance))


@branch.command()
def reset(  # noqa: PLR0917
    workflow: WorkflowElsewhere,
    name: Name,
    ttl: Ttl = None,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Make a branch again, with the rows of the newest run."""
    _at_branch("reset", workflow, name, ttl, on, as_json, _place(url, token_file, ca, appliance))


@branch.command()
def extend(  # noqa: PLR0917
    workflow: WorkflowElsewhere,
    name: Name,
    ttl: Ttl = None,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Let a branch stand longer: for this time from now."""
    _at_branch("extend", workflow, name, ttl, on, as_json, _place(url, token_file, ca, appliance))


@branch.command()
def drop(  # noqa: PLR0917
    workflow: WorkflowElsewhere,
    name: Name,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """Drop a branch, and disconnect who is in it."""
    _at_branch("drop", workflow, name, None, on, as_json, _place(url, token_file, ca, appliance))


@branch.command("list")
def list_(  # noqa: PLR0917
    workflow: WorkflowElsewhere,
    on: OnElsewhere = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    appliance: ApplianceId = None,
) -> None:
    """List the branches of a twin."""
    _at_branch("list", workflow, None, None, on, as_json, _place(url, token_file, ca, appliance))


def _place(url: str | None, token_file: Path | None, ca: Path | None, appliance: str | None) -> Place:
    from appliance.cli.work.remote.asking import far  # noqa: PLC0415
    from appliance.cli.work.remote.following import say  # noqa: PLC0415
    from appliance.cli.work.remote.work import Dashboard, StatusService  # noqa: PLC0415

    service = far(url, token_file, ca, say)
    return Dashboard(service, appliance) if appliance else StatusService(service)


def _at_branch(  # noqa: PLR0917
    act: str,
    workflow: str,
    name: str | None,
    ttl: str | None,
    on: str | None,
    as_json: bool,
    place: Place,
) -> None:
    from appliance.cli.work.remote.following import followed, started  # noqa: PLC0415

    optional = {"name": name, "ttl": ttl, "on": on}
    wanted: dict[str, JsonValue] = {"workflow": workflow, "act": act}
    wanted |= {key: value for key, value in optional.items() if value is not None}
    work_id = started(place, "branch", wanted)
    _show(followed(place, work_id, can_be_cancelled=False), as_json=as_json)


def _show(work: Work, *, as_json: bool, junit: Path | None = None, markdown: Path | None = None) -> None:
    from appliance.cli.terminal.results.remote import print_work  # noqa: PLC0415
    from appliance.cli.work.workflows.rehearsing import write_report  # noqa: PLC0415
    from appliance.rehearsals.results.written import junit as junit_of  # noqa: PLC0415
    from appliance.rehearsals.results.written import markdown as markdown_of  # noqa: PLC0415

    rehearsal = work.rehearsal
    if junit is not None and rehearsal is not None:
        write_report(junit, junit_of(rehearsal))
    if markdown is not None and rehearsal is not None:
        write_report(markdown, markdown_of(rehearsal))
    if as_json:
        shown = rehearsal.model_dump_json(indent=2) if rehearsal else work.model_dump_json(indent=2)
        typer.echo(shown)
    else:
        print_work(work)
    raise typer.Exit(1 if work.exit_code is None else work.exit_code)
