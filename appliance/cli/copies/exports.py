"""List, fetch and delete the files that runs have delivered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.completion import export_ids

app = typer.Typer(no_args_is_help=True)

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The run's id; appliance exports list has them.", autocompletion=export_ids
    ),
]
ExportsDir = Annotated[
    Path | None,
    typer.Option("--exports-dir", help="Where they are (default: the appliance's own).", metavar="DIR"),
]
STANDARD_OUTPUT = Path("-")


@app.callback()
def _exports() -> None:
    """Files that runs have delivered, kept on this appliance until they expire or are deleted."""


@app.command("list")
def list_(
    workflow: Annotated[str | None, typer.Option(help="Only exports of this workflow.")] = None,
    exports_dir: ExportsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the exports on this appliance, the newest first."""
    from appliance.cli.terminal.output import duration, print_json, print_table, size  # noqa: PLC0415 - help is instant
    from appliance.exports.stored import list_exports  # noqa: PLC0415

    found = [
        export
        for export in list_exports(_folder(exports_dir))
        if workflow in (None, export.manifest.workflow)
    ]
    if as_json:
        print_json(
            [
                {
                    "workflow": export.manifest.workflow,
                    "run": export.manifest.run,
                    "formats": [each.format for each in export.manifest.formats],
                    "created_at": export.manifest.created_at.isoformat(),
                    "tables": len(export.manifest.tables),
                    "rows": export.manifest.rows,
                    "files": len(export.manifest.files),
                    "bytes": export.manifest.bytes,
                    "restore": [each.restore for each in export.manifest.formats if each.restore],
                    "folder": str(export.folder),
                }
                for export in found
            ]
        )
        return
    rows = [
        (
            export.manifest.workflow,
            export.manifest.run,
            export.manifest.shown_formats,
            duration(export.age_s),
            str(len(export.manifest.tables)),
            f"{export.manifest.rows:,}",
            size(export.manifest.bytes),
        )
        for export in found
    ]
    columns = ("workflow", "run", "formats", "age", "tables", "rows", "size")
    print_table(columns, rows, empty="There are no exports.")


@app.command()
def get(
    run: Run,
    into: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is made; - writes a tar to standard output.")
    ],
    unpack: Annotated[bool, typer.Option("--unpack", help="Unpack gzipped CSV and JSON lines.")] = False,
    exports_dir: ExportsDir = None,
) -> None:
    """Copy an export to a folder, or as a tar to standard output. Every file's SHA-256 is checked."""
    from appliance.cli.work.copies.exports_copy import copy_export, write_tar  # noqa: PLC0415
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.exports.stored import find_export  # noqa: PLC0415

    export = find_export(_folder(exports_dir), run)
    if into == STANDARD_OUTPUT:
        if unpack:
            raise WrongRequestError("A tar is not unpacked.", "", "Leave out --unpack, or name a folder.")
        if sys.stdout.isatty():
            raise WrongRequestError(
                "A tar would be written to the terminal.", "", f"appliance exports get {run} - > {run}.tar"
            )
        write_tar(export, sys.stdout.buffer)
        return
    copy_export(export, into, unpack=unpack)
    typer.echo(f"{len(export.manifest.files)} files are in {into}, each with the SHA-256 of its manifest.")
    for each in export.manifest.formats:
        if each.restore:
            typer.echo(f"The archive goes into an empty database: {each.restore}")


@app.command()
def rm(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Ids of runs.", autocompletion=export_ids)
    ],
    why: Annotated[str, typer.Option(help="Is recorded with the deletion.")] = "Deleted on the command line.",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    exports_dir: ExportsDir = None,
) -> None:
    """Delete exports. Each deletion is recorded in deletions.jsonl beside them."""
    from appliance.cli.terminal.output import size  # noqa: PLC0415
    from appliance.exports.stored import delete_export, find_export  # noqa: PLC0415

    folder = _folder(exports_dir)
    found = [find_export(folder, run) for run in dict.fromkeys(runs)]
    total = sum(export.manifest.bytes for export in found)
    if sys.stdin.isatty() and not yes:
        typer.confirm(f"Delete {len(found)} exports, {size(total)}?", abort=True)
    for export in found:
        delete_export(folder, export, by="operator", why=why)
        typer.echo(f"{export.manifest.run}: deleted, {size(export.manifest.bytes)}")


def _folder(given: Path | None) -> Path:
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    return given or load_settings().exports_dir
