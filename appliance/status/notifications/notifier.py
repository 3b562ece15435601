"""Notifies whom the settings name and policy lets, in a thread of the status service."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from appliance.errors import ApplianceError
from appliance.policy.policy import read_policy
from appliance.scrubbing.known import own_scrubber
from appliance.settings.notify import NotifyAddress
from appliance.settings.settings import Settings
from appliance.status.notifications.conditions import conditions
from appliance.status.notifications.ledger import Ledger
from appliance.status.notifications.sender import Sender
from appliance.status.notifications.ways import NotSentError, places
from appliance.status.report import Report
from appliance.system.background import Background

LOOK_EVERY_S = 10.0
LEDGER = "notified.json"


class Notifier:
    """``background.start()`` begins it; tests take single turns."""

    def __init__(self, settings: Settings, report: Callable[[], Report]) -> None:
        self._settings = settings
        self._report = report
        self._sender = Sender(Ledger(settings.status_dir / LEDGER))
        self.background = Background("Notifying", self.turn, first_after_s=LOOK_EVERY_S)

    def turn(self) -> float:
        """Look once, and send what is due; in how many seconds to look again."""
        report, now = self._report(), datetime.now(UTC)
        notify = self._settings.notify
        # Where the service has a user of its own, it cannot know what of an error is a connection's secret.
        found = conditions(report, notify, None if self._settings.is_split else own_scrubber())
        repeat = timedelta(hours=notify.repeat_h)
        self._sender.send(self._allowed(), found, now, name=appliance_name(report), repeat=repeat)
        return LOOK_EVERY_S

    def _allowed(self) -> tuple[NotifyAddress, ...]:
        allowed = []
        for address in self._settings.notify.addresses:
            try:
                refusal = refused_by_policy(self._settings, address)
            except (ApplianceError, NotSentError) as error:
                refusal = str(error).splitlines()[0]
            if refusal:
                self._sender.say(address.name, f"{address.name} is not notified: {refusal}")
            else:
                allowed.append(address)
        return tuple(allowed)


def refused_by_policy(settings: Settings, address: NotifyAddress) -> str:
    """Why policy.yaml does not let this address be notified; empty where it does.

    Raises ApplianceError for a policy that is wrong, NotSentError where the address cannot be read.
    """
    named = {place.lower() for place in read_policy(settings).notify}
    missing = [place for place in places(address) if place.lower() not in named]
    return f"policy.yaml does not name {', '.join(missing)} under notify." if missing else ""


def appliance_name(report: Report) -> str:
    """As the dashboard calls it, else as the machine is called."""
    link = report.dashboard
    return link.name if link is not None and link.name else socket.gethostname()
