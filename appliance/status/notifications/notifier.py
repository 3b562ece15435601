"""Notifies whom the settings name and policy lets, in a thread of the status service."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from appliance.errors import ApplianceError
from appliance.policy.policy import read_policy
from appliance.scrubbing.known import own_scrubber
from appliance.settings.notify import NotifyAddress
from appliance.settings.settings import Settings
from appliance.status.notifications.conditions import conditions
from appliance.status.notifications.ledger import Ledger
from appliance.status.notifications.message import message_of
from appliance.status.notifications.ways import NotSentError, ping, places, send
from appliance.status.report import Report
from appliance.system.background import Background

LOOK_EVERY_S = 10.0
PING_EVERY_S = 300.0
LEDGER = "notified.json"


class Notifier:
    """``background.start()`` begins it; tests take single turns."""

    def __init__(self, settings: Settings, report: Callable[[], Report]) -> None:
        self._settings = settings
        self._report = report
        self._ledger = Ledger(settings.status_dir / LEDGER)
        self._next_ping: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self.background = Background("Notifying", self.turn, first_after_s=LOOK_EVERY_S)

    def turn(self) -> float:
        """Look once, and send what is due; in how many seconds to look again."""
        report, now = self._report(), datetime.now(UTC)
        notify = self._settings.notify
        # Where the service has a user of its own, it cannot know what of an error is a connection's secret.
        found = conditions(report, notify, None if self._settings.is_split else own_scrubber())
        addresses = self._allowed()
        name = appliance_name(report)
        spoken = tuple(each for each in addresses if each.by != "healthchecks")
        for due in self._ledger.due(spoken, found, now, timedelta(hours=notify.repeat_h)):
            try:
                send(due.address, message_of(due, name, now))
            except NotSentError as error:
                self._say(due.address.name, f"{due.address.name} could not be notified: {error}")
                self._ledger.failed(due, now)
            else:
                self._said.pop(due.address.name, None)
                self._ledger.sent(due, now)
        for address in addresses:
            if address.by == "healthchecks" and time.monotonic() >= self._next_ping.get(address.name, 0.0):
                self._next_ping[address.name] = time.monotonic() + PING_EVERY_S
                wrong = [each.title for each in found.present if each.kind in address.events]
                try:
                    ping(address, fine=not wrong, text="\n".join(wrong))
                except NotSentError as error:
                    self._say(address.name, f"{address.name} could not be pinged: {error}")
        return LOOK_EVERY_S

    def _allowed(self) -> tuple[NotifyAddress, ...]:
        allowed = []
        for address in self._settings.notify.addresses:
            try:
                refusal = refused_by_policy(self._settings, address)
            except (ApplianceError, NotSentError) as error:
                refusal = str(error).splitlines()[0]
            if refusal:
                self._say(address.name, f"{address.name} is not notified: {refusal}")
            else:
                allowed.append(address)
        return tuple(allowed)

    def _say(self, name: str, text: str) -> None:
        """In the journal, once."""
        if self._said.get(name) != text:
            self._said[name] = text
            sys.stderr.write(f"{text}\n")


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
