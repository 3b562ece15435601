"""``appliance notify``: whom the settings name, and trying it."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass

import typer

from appliance.cli.terminal.output import print_json, print_table
from appliance.errors import RefusedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.notifications.message import a_test
from appliance.status.notifications.notifier import refused_by_policy
from appliance.status.notifications.ways import NotSentError, send

_RULE = "notify"


@dataclass(frozen=True)
class Listed:
    """An address as it is listed."""

    name: str
    by: str
    events: tuple[str, ...]
    refused: str


def addresses(settings: Settings) -> list[Listed]:
    """All that the settings name."""
    found = []
    for each in settings.notify.addresses:
        try:
            refused = refused_by_policy(settings, each)
        except NotSentError as error:
            refused = str(error)
        found.append(Listed(each.name, each.by, tuple(each.events), refused))
    return found


def print_addresses(found: list[Listed], *, as_json: bool) -> None:
    """One line each."""
    if as_json:
        print_json([asdict(each) for each in found])
        return
    rows = [(each.name, each.by, ", ".join(each.events), each.refused or "allowed") for each in found]
    print_table(
        ("name", "by", "events", "policy"),
        rows,
        empty="No address is notified: appliance.yaml has no notify.",
    )


def send_tests(settings: Settings, name: str | None) -> bool:
    """Send a test to each, or to the one of that name; whether all have arrived.

    Raises WrongRequestError where there is none, RefusedError, when all others have been
    tried, where policy does not name one of them.
    """
    wanted = [each for each in settings.notify.addresses if name in (None, each.name)]
    if not wanted:
        there = ", ".join(each.name for each in settings.notify.addresses) or "none"
        raise WrongRequestError(
            f"There is no address '{name}'." if name else "No address is notified.",
            f"appliance.yaml has these under notify: {there}.",
            "appliance notify list",
        )
    arrived = True
    refusals: dict[str, str] = {}
    for address in wanted:
        try:
            if refused := refused_by_policy(settings, address):
                refusals[address.name] = refused
                continue
            send(address, a_test("A test of the appliance's notifications", socket.gethostname()))
        except NotSentError as error:
            arrived = False
            typer.echo(f"{address.name}: not sent: {error}", err=True)
        else:
            typer.echo(f"{address.name}: sent by {address.by}")
    if refusals:
        raise RefusedError(
            f"{' and '.join(refusals)} may not be notified: {' '.join(dict.fromkeys(refusals.values()))}",
            "Only the owner of policy.yaml can allow it.",
            "Name it there under notify, then: appliance notify test",
            rule=_RULE,
        )
    return arrived
