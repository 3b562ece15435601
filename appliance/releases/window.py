"""The update window: when an update that is wanted may start."""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.policy.policy import WINDOW, Policy

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def update_may_start(policy: Policy, now: datetime) -> bool:
    """Whether the update window is open at this moment of the machine's own time.

    A window over midnight belongs to the day on which it opens.
    """
    window = WINDOW.fullmatch(policy.updates.window or "")
    if window is None:
        return True
    day, opens, closes = window[1], int(window[2]) * 60 + int(window[3]), int(window[4]) * 60 + int(window[5])
    minute = now.hour * 60 + now.minute
    over_midnight = closes <= opens
    since_yesterday = over_midnight and minute < closes
    if day is not None and _DAYS[(now - timedelta(days=since_yesterday)).weekday()] != day:
        return False
    return since_yesterday or (opens <= minute and (over_midnight or minute < closes))
