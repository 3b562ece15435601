"""``updates`` of ``policy.yaml``: which releases may be installed, how old they must be, and when."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from appliance.documents.model import StrictModel, describe, wrong

WINDOW = re.compile(
    r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
)
"""An update window: perhaps a day, and two times of it, as hour and minute each."""


def _check_window(text: str) -> str:
    if not WINDOW.fullmatch(text):
        raise wrong(
            f"{describe(text)} is not an update window", '"Sat 02:00-05:00", or "02:00-05:00" for any day'
        )
    return text


_DAYS = re.compile(r"([1-9][0-9]{0,2})d")


def _check_days(text: str) -> str:
    if not _DAYS.fullmatch(text):
        raise wrong(f"{describe(text)} is not a number of days", '"7d"')
    return text


def after(day: date) -> datetime:
    """When that day is over, on this machine."""
    return datetime.combine(day + timedelta(days=1), time.min).astimezone()


class Freeze(StrictModel):
    """Days on which nothing is moved, the first and the last of them included."""

    from_: date = Field(alias="from", description="The first day.", examples=["2026-12-18"])
    to: date = Field(description="The last day.", examples=["2027-01-04"])

    @model_validator(mode="after")
    def _in_order(self) -> Freeze:
        if self.to < self.from_:
            raise wrong("The freeze ends before it begins", "`from` on or before `to`", ("to",))
        return self


class Updates(StrictModel):
    """Which releases may be installed, and when."""

    channel: str = Field(
        default="stable",
        min_length=1,
        description="Releases to follow; stable means final ones only.",
        examples=["stable"],
    )
    pin: str | None = Field(default=None, description="The only version that may run.", examples=["0.1.0"])
    window: Annotated[str, AfterValidator(_check_window)] | None = Field(
        default=None,
        description="When an update may start, in the machine's time; null for any time.",
        examples=["Sat 02:00-05:00"],
    )
    not_before: Annotated[str, AfterValidator(_check_days)] | None = Field(
        default=None,
        description="Days that a release must have been out before it is moved to; null for none.",
        examples=["7d"],
    )
    freeze: tuple[Freeze, ...] = Field(
        default=(),
        description="Days on which no update starts, in the machine's time; going back is always allowed.",
        examples=[[{"from": "2026-12-18", "to": "2027-01-04"}]],
    )

    @property
    def least_age(self) -> timedelta | None:
        """How long a release must have been out."""
        found = _DAYS.fullmatch(self.not_before or "")
        return timedelta(days=int(found[1])) if found else None

    def may_wait_until(self, asked: datetime, within: timedelta) -> datetime:
        """By when a release asked for then is moved to, if that takes ``within`` at most unhindered."""
        until = asked + (self.least_age or timedelta()) + within
        for each in sorted(self.freeze, key=lambda each: each.from_):
            if each.to >= asked.date() and each.from_ <= until.date():
                until = max(until, after(each.to) + within)
        return until

    def frozen_until(self, today: date) -> date | None:
        """The last day of a freeze that this day lies in."""
        return max((each.to for each in self.freeze if each.from_ <= today <= each.to), default=None)
