"""Put the appliance's state into one file, or restore it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from appliance.errors import WrongRequestError
from appliance.settings.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    help="Put the appliance's state into one file, or restore it.",
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Read it there (mode 600), instead of asking."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    file: File,
    passphrase_file: PassphraseFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a backup, also while the appliance runs.

    Databases, keys, settings, connections and workflows are in it.

    Receipts are in it, exports and logs are not. The file is encrypted with a passphrase, in the format
    of age.
    """
    from appliance.backups.create import create_backup  # noqa: PLC0415 - help must be instant
    from appliance.cli.terminal.passphrase import read_passphrase  # noqa: PLC0415

    if file.exists() and not force:
        raise WrongRequestError(
            f"{file} is there already.", "", "Name another file, or add --force to replace it."
        )
    backup = create_backup(load_settings(), file, read_passphrase(passphrase_file, is_new=True))
    if as_json:
        _print_json(file, backup)
        return
    typer.echo(f"{file}: {_size(file.stat().st_size)}, {len(backup.entries)} files and databases, encrypted.")
    for each in backup.manifest.left_out:
        typer.echo(f"Left out: {each}")
    if not any(entry.name == "config/connections.yaml" for entry in backup.entries):
        typer.echo(
            "connections.yaml is not in it: it is kept elsewhere on this machine. Keep a copy yourself."
        )
    typer.echo(
        "It cannot be opened without the passphrase: keep that apart from the file, and not on this VM."
    )
    typer.echo(f"Next: copy it to another machine, and try it: appliance backup list {file}")


@app.command("list")
def list_(file: File, passphrase_file: PassphraseFile = None, as_json: AsJson = False) -> None:
    """Read a backup to its end, and list what it holds. That it is whole is proven; changes nothing."""
    from appliance.backups.unpack import list_backup  # noqa: PLC0415
    from appliance.cli.terminal.output import print_table  # noqa: PLC0415
    from appliance.cli.terminal.passphrase import read_passphrase  # noqa: PLC0415

    backup = list_backup(load_settings(), file, read_passphrase(passphrase_file, is_new=False))
    if as_json:
        _print_json(file, backup)
        return
    manifest = backup.manifest
    typer.echo(
        f"Release {manifest.release}, made {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC on {manifest.host}"
    )
    typer.echo("")
    print_table(("file", "size"), [(entry.name, _size(entry.bytes)) for entry in backup.entries])
    typer.echo("")
    typer.echo("It is whole: every byte was read and proven.")


@app.command()
def restore(
    file: File,
    passphrase_file: PassphraseFile = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where this appliance has runs or an enrolment of its own.")
    ] = False,
) -> None:
    """Make this appliance the one that the backup was made of. Its services must be stopped.

    Nothing is changed before the whole file has been proven. If it is interrupted, run it again.
    """
    from appliance.backups.restore import restore_backup  # noqa: PLC0415
    from appliance.cli.terminal.passphrase import read_passphrase  # noqa: PLC0415
    from appliance.system.units import START  # noqa: PLC0415

    settings = load_settings()
    passphrase = read_passphrase(passphrase_file, is_new=False)
    done = restore_backup(settings, file, passphrase, replace=replace)
    manifest = done.manifest
    typer.echo(
        f"Restored what release {manifest.release} backed up on {manifest.host}"
        f" at {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC: both databases and {done.files} files."
    )
    if done.runs_ended:
        typer.echo(f"Runs that were under way then, and count as failed now: {done.runs_ended}.")
    if done.other_settings:
        typer.echo(f"This machine's appliance.yaml stays; the backup's is beside it: {done.other_settings}")
    if done.former:
        typer.echo(f"Files that had other contents are kept in {done.former}; delete it when all is well.")
    if done.is_enrolled:
        typer.echo(
            "The dashboard's token is changed at the first contact: the former machine is turned away then."
        )
        typer.echo("Make sure that the former machine is off, or its workflows run on both.")
    typer.echo(f"Next: {START}")


def _size(count: float) -> str:
    from appliance.cli.terminal.output import size  # noqa: PLC0415

    return size(count)


def _print_json(file: Path, backup: Any) -> None:
    from appliance.cli.terminal.output import print_json  # noqa: PLC0415

    manifest = backup.manifest.model_dump(mode="json")
    entries = [{"name": entry.name, "bytes": entry.bytes} for entry in backup.entries]
    print_json({"file": str(file), "manifest": manifest, "entries": entries})
