"""``random_number`` and ``random_date``: any one between two ends."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.measures.coarser import NUMBERS
from appliance.masking.catalogue.measures.limits import misfit, number_of
from appliance.masking.catalogue.measures.number_noise import number_message
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, moment_message
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import DATES, FLOATS, INTEGERS, Shape, Value

_STEPS_OF_FLOATS = 1 << 30
_MOST = 10**15
"""Numbers to choose from, so that a choice out of 62 bits is even but for a share of 2**-12."""


class RandomNumberParams(SubjectParams):
    """Between what, and who shares a number."""

    min: float = Field(description="The lowest number that comes out.", examples=[100])
    max: float = Field(description="The highest number that comes out.", examples=[5000])

    @model_validator(mode="after")
    def _some(self) -> RandomNumberParams:
        if not self.min < self.max:
            raise wrong("min is not less than max", "the smaller one as min")
        return self


class RandomNumber(Mask[RandomNumberParams]):
    """Nothing of the original but whether two are equal."""

    name = "random_number"
    summary = "Replaces a number with any one between two ends."
    params = RandomNumberParams
    kinds = NUMBERS
    proof = "by_chance"
    promises = Promises(
        length="fits the column's type",
        format="between `min` and `max`, all as likely; a numeric without a scale gets two digits after the"
        " point",
    )
    hides = "the number; nothing of it is in the output."
    learnt = (
        "which rows have equal numbers (or the same subject), up to numbers that came out twice. The n pairs"
        " open themselves and nothing else."
    )
    originals = (Original("1847", "integer"), Original("36.60", "numeric"))

    def compile(self, value: Value, params: RandomNumberParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        low, step, count = _choice(value.shape, params)
        drawn_from = self.drawn_from(params, number_message(value), scope)

        def made(digest: Digest) -> str:
            drawn = f"mod({digest.number(0, 62)}, {count})"
            if value.shape.kind in FLOATS:
                number = f"('{low}'::float8 + {drawn}::float8 * '{step!r}'::float8)"
            else:
                number = f"({low:f} + {drawn} * {step:f})"
            return f"{number}::{value.shape.cast}"

        sql = scope.drawn(value, params.key_of(self.name), drawn_from.message, made)
        return Masked(sql, "by_chance", chance=1 / count, repeats=drawn_from.by_value)

    def example(self, original: Original, params: RandomNumberParams) -> str:
        """A whole number, and one with digits after the point."""
        key, whole = params.key_of(self.name), original.type == "integer"
        shape = Shape("integer", "integer") if whole else Shape("numeric", "numeric")
        low, step, count = _choice(shape, params)
        if params.subject_columns:
            digest = draw.of_subject(key, params.subject_columns)
        elif whole:
            digest = draw.of_integer(key, int(original.text))
        else:
            digest = draw.of_text(key, original.text.rstrip("0").rstrip("."))
        made = Decimal(low) + draw.number(digest, 0, 62) % count * Decimal(step)
        return f"{made:f}"

    def problems(self, shape: Shape, params: RandomNumberParams, scope: Scope) -> list[str]:
        """Ends that are no numbers of the type, or a subject that is not there."""
        found = subject_problems(params, scope)
        for name, end in (("min", params.min), ("max", params.max)):
            found += misfit(shape, name, number_of(end))
        if not found and shape.kind not in FLOATS and _choice(shape, params)[2] > _MOST:
            found.append(f"max: there are more than {_MOST:,} numbers between min and max")
        return found


def _choice(shape: Shape, params: RandomNumberParams) -> tuple[Decimal | float, Decimal | float, int]:
    """The lowest number, the step to the next one, and how many there are."""
    low, high = number_of(params.min), number_of(params.max)
    if shape.kind in FLOATS:
        return params.min, (params.max - params.min) / (_STEPS_OF_FLOATS - 1), _STEPS_OF_FLOATS
    step = Decimal(1)
    if shape.kind not in INTEGERS:
        step = Decimal(1).scaleb(-(2 if shape.precision is None else shape.scale or 0))
    return low, step, int((high - low) / step) + 1


class RandomDateParams(SubjectParams):
    """Between what, and who shares a date."""

    earliest: date = Field(description="The earliest date that comes out.", examples=["1950-01-01"])
    latest: date = Field(description="The latest date that comes out.", examples=["2005-12-31"])

    @model_validator(mode="after")
    def _some(self) -> RandomDateParams:
        if not self.earliest < self.latest:
            raise wrong("earliest is not before latest", "the earlier one as earliest")
        return self


class RandomDate(Mask[RandomDateParams]):
    """A day, and where there is a time, any second of it."""

    name = "random_date"
    summary = "Replaces a date with any one between two days."
    params = RandomDateParams
    kinds = DATES
    proof = "by_chance"
    promises = Promises(
        format="between `earliest` and `latest` (in UTC), all as likely; infinity becomes a date"
    )
    hides = "the date; nothing of it is in the output."
    learnt = (
        "which rows have equal dates (or the same subject), up to dates that came out twice. The n pairs open"
        " themselves and nothing else."
    )
    originals = (Original("1984-03-05", "date"), Original("2024-02-29 10:15:00", "timestamp"))

    def compile(self, value: Value, params: RandomDateParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        kind = value.shape.kind
        days = (params.latest - params.earliest).days + 1
        count = days if kind == "date" else days * 86_400
        drawn_from = self.drawn_from(params, moment_message(value.sql, kind), scope)

        def made(digest: Digest) -> str:
            drawn = f"mod({digest.number(0, 62)}, {count})"
            if kind == "date":
                return f"'{params.earliest}'::date + {drawn}::int"
            zone = "+00" if kind == "timestamptz" else ""
            return f"'{params.earliest} 00:00{zone}'::{kind} + make_interval(0, 0, 0, 0, 0, 0, {drawn})"

        sql = scope.drawn(value, params.key_of(self.name), drawn_from.message, made)
        return Masked(sql, "by_chance", chance=1 / count)

    def example(self, original: Original, params: RandomDateParams) -> str:
        """A date, and a moment without a time zone."""
        key, days = params.key_of(self.name), (params.latest - params.earliest).days + 1
        moment = datetime.fromisoformat(original.text)
        if params.subject_columns:
            digest = draw.of_subject(key, params.subject_columns)
        else:
            digest = draw.of_moment(key, moment.date() if original.type == "date" else moment)
        drawn = draw.number(digest, 0, 62)
        if original.type == "date":
            return str(params.earliest + timedelta(days=drawn % days))
        start = datetime.combine(params.earliest, datetime.min.time())
        return str(start + timedelta(seconds=drawn % (days * 86_400)))

    def problems(self, shape: Shape, params: RandomDateParams, scope: Scope) -> list[str]:
        """A subject that is not there."""
        return subject_problems(params, scope)
