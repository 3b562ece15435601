"""Enrol this appliance with a dashboard."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from appliance.errors import WrongRequestError

app = typer.Typer()
STDIN = "-"


@app.command()
def enrol(
    url: Annotated[str, typer.Argument(help="The dashboard's address.", metavar="URL")],
    token: Annotated[
        str, typer.Argument(help="The one-time token that it shows; - reads it from standard input.")
    ] = STDIN,
) -> None:
    """Exchange a one-time token for this appliance's own, which is kept on it and nowhere else.

    Prefer - (the default): what stands on a command line can be seen by others on this machine.
    """
    from appliance import __version__  # noqa: PLC0415 - help must be instant
    from appliance.cloud import enrolment  # noqa: PLC0415
    from appliance.cloud.enrol_unattended import client_of  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    client = client_of(settings, url)
    try:
        given = _from_stdin() if token == STDIN else token
        identity = enrolment.enrol(client, given.strip(), settings.identity_file, version=__version__)
    finally:
        client.close()
    typer.echo(f"Enrolled with {identity.url} as {identity.name}.")
    typer.echo("The status service reports there from now on. Next: appliance status")


def _from_stdin() -> str:
    if sys.stdin.isatty():
        import getpass  # noqa: PLC0415

        return getpass.getpass("Enrolment token: ")
    given = sys.stdin.readline(400).strip()
    if not given:
        raise WrongRequestError(
            "No enrolment token was given.",
            "",
            "appliance enrol URL -   and paste the token that the dashboard shows.",
        )
    return given
