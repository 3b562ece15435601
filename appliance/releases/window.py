"""When an update that is wanted may start: the window, freezes, and the age that a release must have."""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.policy.policy import Policy
from appliance.policy.refusal import Refusal
from appliance.policy.updates import WINDOW

AGE_RULE = "updates.not_before"
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


def too_early(
    policy: Policy, now: datetime, version: str, released_at: datetime | None
) -> tuple[Refusal, ...]:
    """Why a release may not be moved to yet. Both rules pass by themselves, and neither holds for going back.

    A release whose age nothing has signed for is as young as can be.
    """
    refusals = []
    until = policy.updates.frozen_until(now.date())
    if until is not None:
        refusals.append(Refusal("updates.freeze", f"Nothing is moved until {until} has passed."))
    age = policy.updates.least_age
    if age is not None and (released_at is None or now < released_at + age):
        out = f"is out since {released_at:%Y-%m-%d}" if released_at else "has no signed date"
        what = f"{version} {out}, and must have been out for {age.days} days."
        refusals.append(Refusal(AGE_RULE, what))
    return tuple(refusals)
