"""Show some rows as a run of a workflow would copy them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def preview(  # noqa: PLR0917 - as typer has it
    file: Annotated[Path, typer.Argument(help="The workflow.", metavar="FILE")],
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only these; else all that have a mask.", metavar="SCHEMA.TABLE"),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=100, help="Rows of each table.")] = 3,
    connections: Annotated[
        Path | None, typer.Option(help="connections.yaml; else the appliance's own.", metavar="FILE")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="policy.yaml; else the appliance's own, if it has one.", metavar="FILE"),
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Where the mask key is kept.", metavar="DIR")] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the originals too, on a terminal and nowhere else.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, without originals.")] = False,
) -> None:
    """Show masked rows, made by the source's own SQL with the expressions and the keys of a run.

    Of an original only the shape leaves the source: where it has letters, digits and signs. Columns that the
    workflow does not decide yet are named and not looked at. No target is asked, and nothing is written.
    """
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415 - help must be instant
    from appliance.cli.terminal.results.preview_rows import preview_json, print_preview  # noqa: PLC0415
    from appliance.cli.work.workflows.local import interruptible, local_run  # noqa: PLC0415
    from appliance.cli.work.workflows.preview_choice import check_reveal, tables_wanted  # noqa: PLC0415
    from appliance.steps.local.preview import Preview, PreviewRequest  # noqa: PLC0415

    if reveal:
        check_reveal(as_json=as_json)
    request = PreviewRequest(tables_wanted(table or []), rows, originals=reveal)
    with interruptible("The preview"), local_run(file, connections, policy, state) as prepared:
        found = Preview(prepared.spec, prepared.connections, prepared.key).of(request)
    if not table:
        found = [each for each in found if each.masks or each.undecided]
    if as_json:
        print_json(preview_json(found))
    else:
        print_preview(found, originals=reveal)
