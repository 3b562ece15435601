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
def schema() -> None:
    """Print the JSON Schema of policy.yaml. Editors check the file by it."""
    from appliance.documents.json_schema import document_schema, printed  # noqa: PLC0415 - help does without
    from appliance.policy.policy import Policy  # noqa: PLC0415

    typer.echo(printed(document_schema(Policy, "Policy")), nl=False)


@app.command()
def check(
    workflow: Annotated[str, typer.Argument(help="A workflow's file, or the id of one that is here.")],
    policy: Annotated[
        Path | None,
        typer.Option(help="policy.yaml; else the appliance's own, if it has one.", metavar="FILE"),
    ] = None,
    columns: Annotated[
        bool, typer.Option("--columns", help="Look at the columns of its source too; no row is read.")
    ] = False,
    from_cloud: Annotated[
        bool, typer.Option("--from-cloud", help="Judge the file as if the dashboard had sent it.")
    ] = False,
) -> None:
    """Say whether policy lets a workflow in, and why not.

    Every rule that does not is named; the exit status is then 3.

    What the source's columns have to do with it (always_mask, never_copy, what the cloud keeps) is looked at
    with --columns, and whenever a run is planned. Patterns of the policy that match nothing there are named.
    """
    from appliance.cli.work.workflows.source_catalog import source_catalog  # noqa: PLC0415
    from appliance.documents.problems import WrongDocumentError  # noqa: PLC0415
    from appliance.orchestration.start_and_stop import find_workflow  # noqa: PLC0415 - help must be instant
    from appliance.policy.approvals import approved_columns, load_approval, waits_for_owner  # noqa: PLC0415
    from appliance.policy.columns import waiting_refusal  # noqa: PLC0415
    from appliance.policy.policy import Origin, check_workflow, notices, read_policy  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.workflow.loading import load_workflow  # noqa: PLC0415
    from appliance.workflow.matching.rules import match_rules  # noqa: PLC0415

    settings = load_settings()
    origin: Origin = "cloud" if from_cloud else "local"
    path = Path(workflow)
    if not path.is_file():
        found = find_workflow(settings, workflow)
        path, origin = Path(found.path), "cloud" if from_cloud else found.origin
    loaded = load_workflow(path, settings.config_dir)
    document = loaded.workflow
    file = policy or (settings.policy_file if settings.policy_file.exists() else None)
    rules = read_policy(settings, policy)
    refusals = check_workflow(rules, document, origin=origin)
    approval = load_approval(settings.approvals_dir, document.id)
    if columns:
        catalog = source_catalog(settings, document, "appliance policy check")
        matching = match_rules(document, catalog, loaded.document.places())
        if matching.problems:
            raise WrongDocumentError(list(matching.problems))
        approved = approved_columns(settings.approvals_dir, document) if origin == "cloud" else ()
        refusals = check_workflow(
            rules, document, matching, origin=origin, catalog=catalog, approved=approved
        )
        for line in notices(rules, catalog):
            typer.echo(line)
    elif origin == "cloud" and not refusals:
        waiting = waits_for_owner(document, rules.keep_from_cloud, approval)
        refusals = (waiting_refusal(waiting, document.id),) if waiting else ()
    where = file or "the default policy"
    if not refusals:
        typer.echo(f"{document.id}: nothing in {where} is against it ({origin})")
        return
    for refusal in refusals:
        typer.echo(f"{document.id}: {refusal.what} (policy rule {refusal.rule})", err=True)
    raise typer.Exit(ExitCode.REFUSED)
