"""Ask this appliance's policy beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.errors import ExitCode

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _policy() -> None:
    """Ask this appliance's policy beforehand."""


@app.command()
def check(
    workflow: Annotated[str, typer.Argument(help="A workflow's file, or the id of one that is here.")],
    policy: Annotated[
        Path | None,
        typer.Option(help="policy.yaml; else the appliance's own, if it has one.", metavar="FILE"),
    ] = None,
    from_cloud: Annotated[
        bool, typer.Option("--from-cloud", help="Judge the file as if the dashboard had sent it.")
    ] = False,
) -> None:
    """Say whether policy lets a workflow in, and every rule that does not: then the exit status is 3.

    What the source's columns have to do with it (always_mask, never_copy) shows when it is planned:
    appliance plan FILE.
    """
    from appliance.orchestration.commands import find_workflow  # noqa: PLC0415 - help must be instant
    from appliance.policy import Origin, check_workflow, load_policy  # noqa: PLC0415
    from appliance.settings import load_settings  # noqa: PLC0415
    from appliance.workflow.loading import load_workflow  # noqa: PLC0415

    settings = load_settings()
    origin: Origin = "cloud" if from_cloud else "local"
    path = Path(workflow)
    if not path.is_file():
        found = find_workflow(settings, workflow)
        path, origin = Path(found.path), "cloud" if from_cloud else found.origin
    document = load_workflow(path).workflow
    file = policy or (settings.policy_file if settings.policy_file.exists() else None)
    refusals = check_workflow(load_policy(file), document, origin=origin)
    where = file or "the default policy"
    if not refusals:
        typer.echo(f"{document.id}: nothing in {where} is against it ({origin})")
        return
    for refusal in refusals:
        typer.echo(f"{document.id}: {refusal.what} (policy rule {refusal.rule})", err=True)
    raise typer.Exit(ExitCode.REFUSED)
