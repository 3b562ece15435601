"""Looks at the fleet now and then, and notifies whom ``DASHBOARD_NOTIFY`` names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from appliance.dashboard.notifying.conditions import fleet_conditions
from appliance.dashboard.notifying.looking import look
from appliance.dashboard.notifying.settings import FleetNotifySettings, read_notify
from appliance.dashboard.settings import Settings
from appliance.dashboard.store.database import Database
from appliance.errors import WrongRequestError
from appliance.status.notifications.ledger import Ledger
from appliance.status.notifications.message import a_test
from appliance.status.notifications.sender import Sender
from appliance.status.notifications.ways import NotSentError, send

LEDGER = "notified.json"
"""Beside the secret key: whatever the database is, this folder stays."""


class FleetNotifier:
    """One of a dashboard. A turn may take as long as a server that does not answer."""

    def __init__(self, settings: Settings, notify: FleetNotifySettings, database: Database) -> None:
        self._url = settings.public_url.rstrip("/")
        self._name = sender_name(settings)
        self._notify = notify
        self._database = database
        self._sender = Sender(Ledger(Path(settings.secret_key_file).with_name(LEDGER)))

    def turn(self) -> None:
        """Look once, and send what is due. Raises StoreAwayError."""
        now = datetime.now(UTC)
        found = fleet_conditions(look(self._database), self._notify, self._url, now.timestamp())
        repeat = timedelta(hours=self._notify.repeat_h)
        self._sender.send(self._notify.addresses, found, now, name=self._name, repeat=repeat)


def notifier(settings: Settings, database: Database) -> FleetNotifier | None:
    """The one that the settings ask for. Raises WrongDocumentError for a file that is wrong."""
    if not settings.notify:
        return None
    return FleetNotifier(settings, read_notify(Path(settings.notify)), database)


def sender_name(settings: Settings) -> str:
    """What a message that is about no appliance says it comes from."""
    return f"dashboard {urlsplit(settings.public_url).hostname}"


def send_tests(settings: Settings, name: str | None) -> dict[str, str]:
    """Send a test to each address, or to the one of that name: why it was not sent, or nothing.

    Raises WrongRequestError where there is none, and WrongDocumentError.
    """
    addresses = read_notify(Path(settings.notify)).addresses if settings.notify else ()
    wanted = [each for each in addresses if name in (None, each.name)]
    if not wanted:
        there = ", ".join(each.name for each in addresses) or "none"
        raise WrongRequestError(
            f"There is no address '{name}'." if name else "No address is notified.",
            f"The file that DASHBOARD_NOTIFY names has these: {there}.",
            "appliance-dashboard notify-test",
        )
    found: dict[str, str] = {}
    for address in wanted:
        try:
            send(address, a_test("The fleet's notifications are tried", sender_name(settings)))
        except NotSentError as error:
            found[address.name] = str(error)
        else:
            found[address.name] = ""
    return found
