"""List the releases on this machine, and move between them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from appliance.cli.terminal.output import print_json, print_table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _release() -> None:
    """List the releases on this machine, and move between them."""


@app.command("list")
def list_releases(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the installed releases, and which of them runs."""
    from appliance.releases.installed import CURRENT, ROOT, installed, linked  # noqa: PLC0415

    current = linked(ROOT, CURRENT)
    versions = installed(ROOT)
    if as_json:
        print_json([{"version": version, "current": version == current} for version in versions])
        return
    rows = [(version, "current" if version == current else "") for version in versions]
    print_table(("version", "state"), rows, empty=f"No release is installed in {ROOT}.")


@app.command()
def pin(
    version: Annotated[
        str | None, typer.Argument(help="The release to stay on; none shows what is pinned.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Stay on no release any more.")] = False,
) -> None:
    """Stay on one release, whatever the dashboard asks for.

    It writes updates.pin in policy.yaml, and changes nothing else there. It moves to no release.
    """
    from appliance.cli.work.release_pin import pin_release, pinned  # noqa: PLC0415 - help must be instant
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    if version is None and not none:
        typer.echo(pinned(settings))
        return
    if version is not None and none:
        raise WrongRequestError("A version and --none are given.", "", "appliance release pin VERSION")
    pin_release(settings, version)
    typer.echo(pinned(settings))


@app.command()
def use(
    version: Annotated[str, typer.Argument(help="An installed release, or one whose bundle is here.")],
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="Also while runs are under way; they are tried again.")
    ] = False,
) -> None:
    """Move to another release, up or down.

    If it does not prove to work, the move is undone.

    A bundle is looked for in /opt/appliance/bundles, with its .sha256 file beside it. What policy pins
    holds here too; the update window does not. Ending this command does not end the move.
    """
    from appliance.errors import WrongRequestError  # noqa: PLC0415 - help must be instant
    from appliance.releases.installed import CURRENT, ROOT, UPDATER, linked  # noqa: PLC0415

    if os.geteuid() != 0:
        raise WrongRequestError(
            "Only root can move to another release.", "", f"sudo appliance release use {version}"
        )
    # The code of a release that has proven itself, and of one that stays where it is during the move.
    trusted = linked(ROOT, UPDATER) or linked(ROOT, CURRENT)
    python = f"{ROOT}/releases/{trusted}/venv/bin/python"
    if trusted is None or not os.access(python, os.X_OK):
        raise WrongRequestError(
            f"No release is installed in {ROOT}.", "This command is for an appliance.", "docs/install.md"
        )
    command = [python, "-I", "-m", "appliance.releases.update", "--use", version]
    os.execv(python, command + (["--interrupt"] if interrupt else []))  # noqa: S606
