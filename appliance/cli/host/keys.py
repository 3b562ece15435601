"""Show the epoch of each source's mask keys, and start another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

_State = Annotated[Path | None, typer.Option(help="Folder of the appliance's state.", show_default=False)]
_Connections = Annotated[
    Path | None, typer.Option("--connections", help="The file of connections.", show_default=False)
]


@app.callback()
def _keys() -> None:
    """Show the epoch of each source's mask keys, and start another."""


@app.command()
def show(connections: _Connections = None, state: _State = None) -> None:
    """Print the epoch of each connection's mask keys. Fingerprints serve to compare appliances."""
    from appliance.connections.file import load_connections  # noqa: PLC0415 - help must be instant
    from appliance.keys.epochs import read_epochs  # noqa: PLC0415
    from appliance.keys.keys import fingerprint, load_or_create_key, source_key  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.steps.local.folders import state_folder  # noqa: PLC0415

    settings = load_settings()
    folder = state_folder(settings, state) / "keys"
    known = load_connections(connections or settings.connections_file)
    root, epochs = load_or_create_key(folder / "mask.key"), read_epochs(folder)
    typer.echo(f"appliance: {fingerprint(root)}")
    for name, connection in known.items():
        key_name = connection.mask_key or name
        own = fingerprint(source_key(root, key_name, epochs.of(key_name)))
        shared = f", keys of '{key_name}'" if key_name != name else ""
        typer.echo(f"{name}: epoch {epochs.of(key_name)}, {own}{shared}")


@app.command()
def rotate(
    source: Annotated[
        list[str] | None,
        typer.Option(help="A connection whose keys to change; may be given again. All, if none is given."),
    ] = None,
    connections: _Connections = None,
    state: _State = None,
) -> None:
    """Start an epoch of mask keys.

    From the next run on, pseudonyms cannot be linked to older ones.

    A run that has begun stays in its epoch. Twins and exports that are there keep the pseudonyms they have.
    """
    from appliance.connections.file import load_connections  # noqa: PLC0415 - help must be instant
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.keys.epochs import start_epoch  # noqa: PLC0415
    from appliance.keys.keys import load_or_create_key  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415
    from appliance.steps.local.folders import state_folder  # noqa: PLC0415

    settings = load_settings()
    folder = state_folder(settings, state) / "keys"
    known = load_connections(connections or settings.connections_file)
    for name in source or ():
        if name not in known:
            there = ", ".join(known) or "none"
            raise WrongRequestError(
                f"There is no connection '{name}'.", f"There are: {there}.", "appliance keys show"
            )
    load_or_create_key(folder / "mask.key")
    names = {known[name].mask_key or name for name in source or known}
    epochs = start_epoch(folder, sorted(names))
    for name, connection in known.items():
        if (connection.mask_key or name) in names:
            typer.echo(f"{name}: epoch {epochs.of(connection.mask_key or name)} from the next run on.")
    typer.echo("Back up the appliance, so that this is not lost: appliance backup create")
