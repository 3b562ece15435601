"""Sends what is due to each address, once, and says in the log, once, why one could not be reached."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from appliance.settings.notify import Address
from appliance.status.notifications.condition import Conditions
from appliance.status.notifications.ledger import Ledger
from appliance.status.notifications.message import message_of
from appliance.status.notifications.ways import NotSentError, ping, send

PING_EVERY_S = 300.0


class Sender:
    """Keeps in mind, beside the ledger, what it has said in the log and whom it has pinged."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._next_ping: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def send(
        self, addresses: Sequence[Address], found: Conditions, now: datetime, *, name: str, repeat: timedelta
    ) -> None:
        """Notify of all that is due now, and ping; ``name`` is whose messages they are."""
        spoken = [each for each in addresses if each.by != "healthchecks"]
        for due in self._ledger.due(spoken, found, now, repeat):
            try:
                send(due.address, message_of(due, name, now))
            except NotSentError as error:
                self.say(due.address.name, f"{due.address.name} could not be notified: {error}")
                self._ledger.failed(due, now)
            else:
                self._said.pop(due.address.name, None)
                self._ledger.sent(due, now)
        for address in addresses:
            if address.by == "healthchecks" and time.monotonic() >= self._next_ping.get(address.name, 0.0):
                self._next_ping[address.name] = time.monotonic() + PING_EVERY_S
                self._ping(address, found)

    def _ping(self, address: Address, found: Conditions) -> None:
        wrong = [each.title for each in found.present if each.kind in address.events]
        try:
            ping(address, fine=not wrong, text="\n".join(wrong))
        except NotSentError as error:
            self.say(address.name, f"{address.name} could not be pinged: {error}")

    def say(self, name: str, text: str) -> None:
        """In the log, once."""
        if self._said.get(name) != text:
            self._said[name] = text
            sys.stderr.write(f"{text}\n")
