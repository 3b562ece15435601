"""List, show and check presets: named sets of rules that workflows use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.work.workflows.run_options import QuietOption
from appliance.errors import ExitCode

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the presets of this appliance, and which workflows use each.

    Those of the dashboard come with the workflows that use them. A file of the same name wins, and is marked.
    """
    from appliance.cli.terminal.output import print_json, print_table  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.presets import known_presets  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    found = known_presets(load_settings())
    if as_json:
        print_json([each.as_json() for each in found])
    else:
        print_table(
            ("preset", "version", "masks", "keep", "from", "used by"),
            [each.cells() for each in found],
            empty="There are no presets. They lie in a folder presets beside the folder of workflows.",
        )
    for each in found:
        if each.problem:
            typer.echo(each.problem, err=True)
    if any(each.problem for each in found):
        raise typer.Exit(ExitCode.REQUEST_WRONG)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The preset.", metavar="NAME")], as_json: AsJson = False
) -> None:
    """Show a preset's rules and where they come from, each version that workflows use here."""
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.presets import versions_of  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.workflow.loading import document_yaml  # noqa: PLC0415

    found = versions_of(load_settings(), name)
    if as_json:
        print_json([{**each.as_json(), "rules": each.rules} for each in found])
        return
    for place, each in enumerate(found):
        used = f", used by {', '.join(each.used_by)}" if each.used_by else ""
        typer.echo(f"{chr(10) if place else ''}# {each.name} {each.version}, {each.origin}{used}")
        typer.echo(document_yaml(each.rules), nl=False)


@app.command()
def validate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of presets; without any, the appliance's own.", metavar="[FILE…]"),
    ] = None,
    quiet: QuietOption = False,
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong with presets. No database is asked."""
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help does without
    from appliance.cli.work.workflows.presets import validated  # noqa: PLC0415
    from appliance.documents.problems import WrongDocumentError  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    outcomes = validated(load_settings(), files or [])
    wrong = any(outcome.problems for outcome in outcomes)
    if as_json:
        print_json({"valid": not wrong, "files": [outcome.as_json() for outcome in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.problems:
                typer.echo(WrongDocumentError(outcome.problems).text(), err=True)
            elif not quiet:
                typer.echo(f"{outcome.file}: {outcome.id} is valid")
        if not outcomes and not quiet:
            typer.echo("There are no presets.")
    if wrong:
        raise typer.Exit(ExitCode.REQUEST_WRONG)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a preset. Editors check the file by it."""
    from appliance.documents.json_schema import printed  # noqa: PLC0415 - help does without
    from appliance.masking.registry import MASKS, parameter_models  # noqa: PLC0415
    from appliance.workflow.schema import preset_schema  # noqa: PLC0415

    summaries = {name: mask.summary for name, mask in MASKS.items()}
    typer.echo(printed(preset_schema(parameter_models(), summaries)), nl=False)
