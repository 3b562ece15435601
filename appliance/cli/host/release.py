"""List releases, fetch them, and move between them."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.terminal.output import print_json, print_table

app = typer.Typer(no_args_is_help=True)
Interrupt = Annotated[
    bool, typer.Option("--interrupt", help="Also while runs are under way; they are tried again.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Lose what a way down loses, without being asked.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _release() -> None:
    """List releases, fetch them, and move between them."""


@app.command("list")
def list_releases(as_json: AsJson = False) -> None:
    """List the releases. What is installed, which runs, and what the last look has found."""
    from appliance.cli.work.host.releases import known_releases  # noqa: PLC0415 - help must be instant
    from appliance.releases.installed import ROOT  # noqa: PLC0415

    known = known_releases(ROOT)
    if as_json:
        print_json([each.as_json() for each in known])
        return
    rows = [(each.version, each.state, each.released) for each in known]
    print_table(("version", "state", "released"), rows, empty=f"No release is installed in {ROOT}.")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Look now for what is newer than what runs. Nothing is fetched."""
    from appliance.cli.work.host.releases import look_now, only_root  # noqa: PLC0415 - help must be instant

    only_root("appliance release check")
    look = look_now()
    if as_json:
        print_json(look.as_json())
        return
    for line in look.lines():
        typer.echo(line)


@app.command()
def apply(
    version: Annotated[str | None, typer.Argument(help="Left out: the newest of the channel.")] = None,
    interrupt: Interrupt = False,
    yes: Yes = False,
) -> None:
    """Fetch a release, verify it, and move to it.

    If it does not prove to work, the move is undone. What a way down would lose is said and asked before.

    What policy says of channel, pin, age and freezes holds here too; the update window does not.
    """
    from appliance.cli.work.host.releases import fetched, only_root  # noqa: PLC0415 - help must be instant

    only_root(f"appliance release apply {version or ''}".rstrip())
    _move(fetched(version), interrupt=interrupt, yes=yes)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A copy of the release repository, as on a stick.")],
    version: Annotated[str | None, typer.Argument(help="Left out: the newest of the channel.")] = None,
) -> None:
    """Take a release from a folder. It is verified exactly as one from the network; use moves to it."""
    from appliance.cli.work.host.releases import imported, only_root  # noqa: PLC0415 - help must be instant

    only_root(f"appliance release import {folder}")
    taken = imported(folder, version)
    typer.echo(f"{taken} is verified and can be installed.\nNext: sudo appliance release use {taken}")


@app.command()
def use(
    version: Annotated[str, typer.Argument(help="An installed release, or one whose bundle is here.")],
    interrupt: Interrupt = False,
    yes: Yes = False,
    trust_unsigned: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Install a bundle that nothing has signed. It is written down."),
    ] = None,
) -> None:
    """Move to another release, up or down.

    If it does not prove to work, the move is undone. What a way down would lose is said and asked before.

    A bundle is looked for in /opt/appliance/bundles. What policy pins holds here too; the update window does
    not. Ending this command does not end the move.
    """
    from appliance.cli.work.host import releases  # noqa: PLC0415 - help must be instant

    releases.only_root(f"appliance release use {version}")
    if trust_unsigned is not None:
        releases.trust_by_hand(version, trust_unsigned)
    releases.check_is_here(version)
    _move(version, interrupt=interrupt, yes=yes)


@app.command()
def rollback(interrupt: Interrupt = False, yes: Yes = False) -> None:
    """Move back to the release that ran before this one. No freeze holds it."""
    from appliance.cli.work.host.releases import former_release, only_root  # noqa: PLC0415 - help must be instant

    only_root("appliance release rollback")
    _move(former_release(), interrupt=interrupt, yes=yes, back=True)


@app.command()
def pin(version: Annotated[str, typer.Argument(help="The only release to move to.")]) -> None:
    """Stay on a release, or move to that one alone, until `unpin`. Policy may pin too; both hold."""
    from appliance.cli.work.host.releases import hold_to, was_revoked  # noqa: PLC0415 - help must be instant

    hold_to(pin=version)
    if revoked := was_revoked(version):
        typer.echo(revoked)
    typer.echo(f"Nothing but {version} is moved to.\nNext: sudo appliance release unpin ends that.")


@app.command()
def unpin() -> None:
    """End a pin and a hold."""
    from appliance.cli.work.host.releases import hold_to  # noqa: PLC0415 - help must be instant

    hold_to()
    typer.echo("Nothing is held. What policy.yaml says goes on to hold.")


@app.command()
def hold(
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day of the hold.")],
) -> None:
    """Let no update start by itself until that day has passed. `apply` and `use` go on to work."""
    from appliance.cli.work.host.releases import hold_to  # noqa: PLC0415 - help must be instant

    hold_to(until=until.date())
    typer.echo(f"No update starts by itself until {until:%Y-%m-%d} has passed.")


@app.command()
def trust(
    sha256: Annotated[str, typer.Argument(help="Of the root of trust, as the dashboard prints it.")],
    folder: Annotated[
        Path | None, typer.Option("--from", help="A copy of the repository; else its server is asked.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Also find what has signed for this bundle.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="Its address; else that of appliance.yaml.")
    ] = None,
) -> None:
    """Pin the root of trust of a release repository. From then on only what it leads to is installed."""
    from appliance.cli.work.host.releases import only_root, pin_root  # noqa: PLC0415 - help must be instant

    only_root(f"appliance release trust {sha256}")
    for line in pin_root(sha256, folder, bundle, repository):
        typer.echo(line)


def _move(version: str, *, interrupt: bool, yes: bool, back: bool = False) -> None:
    """Ask, where something would be lost; then become the updater of the release that has proven itself."""
    from appliance.cli.work.host.going_down import agreed  # noqa: PLC0415 - help must be instant
    from appliance.cli.work.host.releases import was_revoked  # noqa: PLC0415
    from appliance.errors import WrongRequestError  # noqa: PLC0415
    from appliance.releases.installed import CURRENT, ROOT, UPDATER, linked  # noqa: PLC0415

    trusted = linked(ROOT, UPDATER) or linked(ROOT, CURRENT)
    python = f"{ROOT}/releases/{trusted}/venv/bin/python"
    if trusted is None or not os.access(python, os.X_OK):
        raise WrongRequestError(
            f"No release is installed in {ROOT}.", "This command is for an appliance.", "docs/install.md"
        )
    if revoked := was_revoked(version):
        typer.echo(revoked)
    command = [python, "-I", "-m", "appliance.releases.update", "--use", version]
    command += ["--interrupt"] if interrupt else []
    command += ["--accept-loss"] if agreed(ROOT, version, yes=yes) else []
    os.execv(python, command + (["--back"] if back else []))  # noqa: S606
