"""``date_round``, ``age_band`` and ``time_shift``: dates and times that say less."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import Field

from appliance.masking.catalogue.measures.date_shift import is_someones, own_subject
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, Message, integer_message, moment_message
from appliance.masking.mask import Mask, Masked, Original, Params, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import DATES, INTEGERS, Kind, Shape, Value

_EARLIEST, _LATEST = "4700-01-01 BC", "290000-01-01"
"""Beyond these a date is moved here: a timestamp ends soon after, and a week may begin before it."""


class DateRoundParams(Params):
    """How far."""

    to: Literal["hour", "day", "week", "month", "quarter", "year", "decade"] = Field(
        default="month",
        description="The beginning of what each date becomes; a week begins on Monday.",
        examples=["year"],
    )


class DateRound(Mask[DateRoundParams]):
    """The first moment of a month, a year, …"""

    name = "date_round"
    summary = "Replaces a date with the beginning of its month or year."
    params = DateRoundParams
    kinds = DATES
    proof = "partial"
    promises = Promises(
        deterministic="yes: there is no key",
        format="a moment with a time zone is cut in UTC; infinity stays; dates beyond the years 4700 BC and"
        " 290000 become those",
    )
    hides = "where within its month (or what is chosen) a date is."
    learnt = "the month (or what is chosen) of every date; there is no key."
    originals = (Original("1984-03-05", "date"), Original("2024-02-29 10:15:00", "timestamp"))

    def compile(self, value: Value, params: DateRoundParams, scope: Scope) -> Masked:
        """In a type that is the same in every time zone."""
        kind, sql = value.shape.kind, value.sql
        near = f"least(greatest({sql}, '{_EARLIEST}'::{kind}), '{_LATEST}'::{kind})"
        if kind == "timestamptz":
            near = near.replace(f"'::{kind}", "+00'::timestamptz")
            cut = f"date_trunc('{params.to}', {near} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
        else:
            cut = f"date_trunc('{params.to}', ({near})::timestamp)"
        made = f"CASE WHEN isfinite({sql}) THEN ({cut})::{value.shape.cast} ELSE {sql} END"
        return Masked(made, "partial", leak_sql=f"{sql} IS DISTINCT FROM ({made})")

    def example(self, original: Original, params: DateRoundParams) -> str:
        """A date, and a moment without a time zone."""
        moment = datetime.fromisoformat(original.text)
        if params.to != "hour":
            moment = moment.replace(hour=0)
        cut = moment.replace(minute=0)
        if params.to == "week":
            cut -= timedelta(days=cut.weekday())
        elif params.to not in ("hour", "day"):
            year = cut.year // 10 * 10 if params.to == "decade" else cut.year
            month = {"month": cut.month, "quarter": (cut.month - 1) // 3 * 3 + 1}.get(params.to, 1)
            cut = datetime(year, month, 1)
        return str(cut.date() if original.type == "date" else cut)

    def problems(self, shape: Shape, params: DateRoundParams, scope: Scope) -> list[str]:
        """A date has no hours, and days are all it has."""
        if shape.kind == "date" and params.to in ("hour", "day"):
            return [f"to: a date says no more than its day, so '{params.to}' would change nothing"]
        return []


class AgeBandParams(SubjectParams):
    """How wide a band is, and whose age it is."""

    years: int = Field(
        default=5,
        strict=True,
        ge=2,
        le=100,
        description="How many years a band has; one begins with 0.",
        examples=[10],
    )


class AgeBand(Mask[AgeBandParams]):
    """Another age of the same band, or another date in the same years."""

    name = "age_band"
    of_person = True
    summary = "Replaces an age, or a date of birth, with another one in the same band."
    params = AgeBandParams
    kinds = INTEGERS | frozenset[Kind]({"date"})
    proof = "by_chance"
    promises = Promises(
        deterministic="yes: the same subject gets the same age in a column of the same type",
        format="the band stays; the same age may come out; infinity stays, other dates are moved into the"
        " years 1 to 9999",
    )
    hides = "where within its band an age is; all ages of a band are as likely."
    learnt = "the band of every age; with one pair of a subject, what that subject's place in its band is."
    originals = (Original("37", "integer"), Original("1984-03-05", "date"))

    def compile(self, value: Value, params: AgeBandParams, scope: Scope) -> Masked:
        """By the subject's digest; by default the primary key is the subject."""
        kind, sql, years = value.shape.kind, value.sql, params.years
        own = own_subject(params, scope) or _message(value)
        drawn_from = self.drawn_from(params, own, scope)

        def moved(digest: Digest) -> str:
            if kind == "date":
                near = f"least(greatest({sql}, '0001-01-01'::date), '9999-12-31'::date)"
                year = f"extract(year FROM {near})::int"
                first = f"make_date(greatest({year} / {years} * {years}, 1), 1, 1)"
                last = f"make_date(least({year} / {years} * {years} + {years}, 9999), 1, 1)"
                # In the last band of all, days before 9999 are fewer than none.
                days = f"greatest({last} - {first}, 365)"
                other = f"{first} + mod({digest.number(0, 30)}, {days})"
                return f"CASE WHEN isfinite({sql}) THEN {other} ELSE {sql} END"
            near = f"least(greatest({sql}, '{_NEAR}'::bigint), {-_NEAR})"
            low = f"{near} - mod(mod({near}, {years}) + {years}, {years})"
            ends = {"smallint": (-(1 << 15), (1 << 15) - 1), "integer": (-(1 << 31), (1 << 31) - 1)}
            made = f"{low} + mod({digest.number(0, 30)}, {years})"
            if kind in ends:
                made = f"least(greatest({made}, '{ends[kind][0]}'::bigint), {ends[kind][1]})"
            return f"({made})::{kind}"

        masked = scope.drawn(value, params.key_of(self.name), drawn_from.message, moved)
        return Masked(masked, "by_chance", chance=1 / years)

    def follows_value(self, params: AgeBandParams) -> bool:
        """It follows the subject."""
        return False

    def example(self, original: Original, params: AgeBandParams) -> str:
        """Of the same subject: an age, and a date of birth."""
        digest = draw.of_subject(params.key_of(self.name), params.subject_columns or ("id",))
        drawn, years = draw.number(digest, 0, 30), params.years
        if original.type == "integer":
            return str(int(original.text) // years * years + drawn % years)
        low = max(date.fromisoformat(original.text).year // years * years, 1)
        days = (date(low // years * years + years, 1, 1) - date(low, 1, 1)).days
        return str(date(low, 1, 1) + timedelta(days=drawn % days))

    def problems(self, shape: Shape, params: AgeBandParams, scope: Scope) -> list[str]:
        """No subject, or one that is not there."""
        found = subject_problems(params, scope)
        if not is_someones(self, params, scope):
            found.append(
                "the table has no primary key to take as the subject; name the columns that identify whose"
                " age it is, for example {mask: age_band, subject: customer_id}"
            )
        elif scope.column.name in params.subject_columns:
            found.append(f"subject: `{scope.column.name}` cannot be its own subject")
        return found


def _message(value: Value) -> Message:
    if value.shape.kind == "date":
        return moment_message(value.sql, "date")
    return integer_message(f"{value.sql}::bigint")


_NEAR = -9_000_000_000_000_000_000
"""Near the lowest bigint, with room for a band."""


class TimeShiftParams(SubjectParams):
    """How far, and who shares a shift."""

    max_minutes: int = Field(
        default=120,
        strict=True,
        ge=1,
        le=719,
        description="The longest shift, in minutes, either way. It is never zero.",
        examples=[30],
    )


class TimeShift(Mask[TimeShiftParams]):
    """Whole seconds; what would be beyond midnight comes in again at the other end of the same day."""

    name = "time_shift"
    summary = "Moves the time of day; the date stays."
    params = TimeShiftParams
    kinds = frozenset[Kind]({"time", "timetz", "timestamp", "timestamptz"})
    proof = "by_chance"
    promises = Promises(
        format="the date stays (with a time zone, in UTC), and fractions of a second; what would be past"
        " midnight comes in again at the other end of the day; infinity stays",
    )
    hides = "the time of day, within `max_minutes`."
    learnt = (
        "the date, and the time of day within `max_minutes`; which rows have the same moment. With `subject`,"
        " one pair opens all times of that subject."
    )
    originals = (Original("10:15:00", "time"), Original("2024-02-29 23:50:00", "timestamp"))

    def compile(self, value: Value, params: TimeShiftParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        kind, sql = value.shape.kind, value.sql
        drawn_from = self.drawn_from(params, moment_message(sql, kind), scope)

        def moved(digest: Digest) -> str:
            seconds = f"(1 + mod({digest.number(0, 30)}, {60 * params.max_minutes}))"
            either = f"CASE WHEN {digest.bit(4)} THEN {seconds} ELSE -{seconds} END"
            by = f"make_interval(0, 0, 0, 0, 0, 0, {either})"
            if kind in ("time", "timetz"):
                return f"{sql} + {by}"
            moment = f"({sql} AT TIME ZONE 'UTC')" if kind == "timestamptz" else sql
            made = f"({moment}::date + ({moment}::time + {by}))"
            made = f"({made} AT TIME ZONE 'UTC')" if kind == "timestamptz" else made
            return f"CASE WHEN isfinite({sql}) THEN {made} ELSE {sql} END"

        masked = scope.drawn(value, params.key_of(self.name), drawn_from.message, moved)
        form = f"CASE WHEN isfinite({sql}) THEN {sql}::text END" if kind in DATES else None
        return Masked(masked, "by_chance", normal_form_sql=form)

    def example(self, original: Original, params: TimeShiftParams) -> str:
        """A time, and a moment shortly before midnight."""
        key = params.key_of(self.name)
        day = "2000-01-01 " if original.type == "time" else ""
        moment = datetime.fromisoformat(f"{day}{original.text}")
        if params.subject_columns:
            digest = draw.of_subject(key, params.subject_columns)
        else:
            digest = draw.of_moment(key, moment)
        seconds = 1 + draw.number(digest, 0, 30) % (60 * params.max_minutes)
        moved = moment + timedelta(seconds=seconds if draw.bit(digest, 4) else -seconds)
        moved = datetime.combine(moment.date(), moved.time())
        return str(moved.time() if original.type == "time" else moved)

    def problems(self, shape: Shape, params: TimeShiftParams, scope: Scope) -> list[str]:
        """A subject that is not there."""
        return subject_problems(params, scope)
