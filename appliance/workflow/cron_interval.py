"""The shortest time between two moments of a schedule, by the clock that it is read in."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from appliance.workflow.cron import Cron

DAY_MIN = 1_440
_CYCLE_DAYS = 28 * 366
"""After 28 years days of the week and of the year meet again in the same way."""
_FIRST = date(2001, 1, 1)


def least_interval_min(cron: Cron) -> int:
    """Minutes; the whole cycle where it comes only once in it. A clock that is put forward is not counted."""
    moments = sorted(hour * 60 + minute for hour in cron.hours for minute in cron.minutes)
    within = [later - earlier for earlier, later in pairwise(moments)]
    if within and min(within) == 1:
        return 1
    over_night = DAY_MIN - moments[-1] + moments[0]
    days = [day for day in range(_CYCLE_DAYS) if _comes_on(cron, _FIRST + timedelta(days=day))]
    between = [(later - earlier - 1) * DAY_MIN + over_night for earlier, later in pairwise(days)]
    return min([*within, *between], default=_CYCLE_DAYS * DAY_MIN)


def _comes_on(cron: Cron, day: date) -> bool:
    """Where both day fields are restricted either is enough, as cron has it; a step counts as restricting."""
    if day.month not in cron.months:
        return False
    by_month, by_week = day.day in cron.days, day.isoweekday() % 7 in cron.weekdays
    both_restrict = len(cron.days) < 31 and len(cron.weekdays) < 7
    return by_month or by_week if both_restrict else by_month and by_week
