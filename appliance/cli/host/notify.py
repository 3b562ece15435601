"""List whom this appliance notifies, and send a test."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _notify() -> None:
    """List whom this appliance notifies, and send a test."""


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the addresses, and whether policy allows each.

    The exit status is 3 if it does not.
    """
    from appliance.cli.work.host.notifying import addresses, print_addresses  # noqa: PLC0415 - help must be instant
    from appliance.errors import ExitCode  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    found = addresses(load_settings())
    print_addresses(found, as_json=as_json)
    if any(each.refused for each in found):
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
def test(
    name: Annotated[str | None, typer.Argument(help="Only this address.", metavar="NAME")] = None,
) -> None:
    """Send a test to each address, and say whether it arrived.

    It goes the way of a real notification, and policy is asked too. If one did not arrive, the exit status
    is 1.
    """
    from appliance.cli.work.host.notifying import send_tests  # noqa: PLC0415 - help must be instant
    from appliance.errors import ExitCode  # noqa: PLC0415
    from appliance.settings.settings import load_settings  # noqa: PLC0415

    if not send_tests(load_settings(), name):
        raise typer.Exit(ExitCode.WORK_FAILED)
