"""The releases on this machine, and moving between them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from appliance.cli.terminal.output import print_json, print_table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _release() -> None:
    """The releases on this machine, and moving between them."""


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
def use(
    version: Annotated[str, typer.Argument(help="An installed release, or one whose bundle is here.")],
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="Also while runs are under way; they are tried again.")
    ] = False,
) -> None:
    """Move to another release, up or down, and back again by itself if it does not prove to work.

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
