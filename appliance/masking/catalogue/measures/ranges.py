"""``range_shift``: both ends of a range moved together."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value

_OF_DATES = {"daterange": "date", "tsrange": "timestamp", "tstzrange": "timestamptz"}
_LIMITS = {
    "int4range": ("-2147483648", "2147483647"),
    "int8range": ("-9223372036854775808", "9223372036854775807"),
    "numrange": ("-1e1000", "1e1000"),
}
_EARLIEST, _LATEST = "0001-01-01", "9999-12-31"
_AT_A_LIMIT = 1e-4
"""What is cut to a limit may be what it was."""


class RangeShiftParams(SubjectParams):
    """How far."""

    max_days: int = Field(
        default=30,
        strict=True,
        ge=1,
        le=36_500,
        description="The most days by which a range of dates or times moves, forward or back.",
        examples=[60],
    )
    max_amount: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=1_000_000_000,
        description="The most by which a range of numbers moves, up or down. Such a range needs it.",
        examples=[1000],
    )


class RangeShift(Mask[RangeShiftParams]):
    """The length stays, and the gaps of a multirange: whole days, or a whole number."""

    name = "range_shift"
    summary = "Moves a range or multirange of dates, times or numbers, and keeps its length."
    params = RangeShiftParams
    kinds: ClassVar[frozenset[Kind]] = frozenset({"range"})
    proof = "by_chance"
    promises = Promises(
        length="kept, but for ends that are cut to the years 1 to 9999, or to what the type can hold",
        format="which ends belong to it stays; an empty range and an end that is open or infinite stay; the"
        " ranges of a multirange move together",
    )
    hides = "where within `max_days` or `max_amount` a range lies; ranges that did not overlap may."
    learnt = (
        "how long every range is, the gaps between those of a multirange, where it lies up to the most that"
        " it moves, and which rows have equal ones."
        " With `subject`, one pair opens all ranges of that subject."
    )
    originals = (Original("[2024-02-01,2024-02-29)", "daterange"),)

    def compile(self, value: Value, params: RangeShiftParams, scope: Scope) -> Masked:
        """One draw for both ends, and for all ranges of a multirange."""
        sql, cast = value.sql, _of_one(value.shape.cast)
        drawn_from = self.drawn_from(params, text_message(value.text), scope)
        dates = _OF_DATES.get(cast)
        one = sql if cast == value.shape.cast else identifier(scope.alias("appliance_range"))
        # An array has unnest too; PostgreSQL has multiranges, and it for them, since 14.
        each_of_them = f"FROM unnest({sql}) AS appliance_ranges ({one})"

        def moved(digest: Digest) -> str:
            most = params.max_days if dates else params.max_amount or 1
            by = f"((1 + mod({digest.number(0, 30)}, {most})) * CASE WHEN {digest.bit(4)} THEN -1 ELSE 1 END)"
            ends = ", ".join(_moved(f"{each}({one})", by, cast) for each in ("lower", "upper"))
            included = " || ".join(
                f"CASE WHEN {each}_inc({one}) THEN '{inside}' ELSE '{outside}' END"
                for each, inside, outside in (("lower", "[", "("), ("upper", "]", ")"))
            )
            made = f"{cast}({ends}, {included})"
            return made if one == sql else f"(SELECT range_agg({made}) {each_of_them})"

        drawn = scope.drawn(value, params.key_of(self.name), drawn_from.message, moved)
        finite = " OR ".join(_finite(f"{each}({one})", cast) for each in ("lower", "upper"))
        if one != sql:
            finite = f"EXISTS (SELECT {each_of_them} WHERE {finite})"
        return Masked(
            f"CASE WHEN isempty({sql}) THEN {sql} ELSE {drawn} END",
            "by_chance",
            chance=_AT_A_LIMIT,
            normal_form_sql=f"CASE WHEN NOT isempty({sql}) AND ({finite}) THEN {sql}::text END",
        )

    def example(self, original: Original, params: RangeShiftParams) -> str:
        """Of dates."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        days = (1 + draw.number(digest, 0, 30) % params.max_days) * (-1 if draw.bit(digest, 4) else 1)
        ends = (date.fromisoformat(each) for each in original.text.strip("[)").split(","))
        return f"[{','.join(str(each + timedelta(days)) for each in ends)})"

    def problems(self, shape: Shape, params: RangeShiftParams, scope: Scope) -> list[str]:
        """Numbers need an amount; a subject must be there."""
        found = subject_problems(params, scope)
        if _of_one(shape.cast) not in _OF_DATES and params.max_amount is None:
            found.append(f"max_amount: say by how much a {shape.cast} may move, for example max_amount: 1000")
        return found


def _of_one(cast: str) -> str:
    """The type of one range of a multirange; a range's own."""
    return cast.replace("multirange", "range")


def _moved(end: str, by: str, cast: str) -> str:
    """An end moved; NULL for one that is open. What comes out is ordered as what went in."""
    if cast in _LIMITS:
        low, high = _LIMITS[cast]
        # Cut before too: a numeric at its own limit has no room for more.
        near = f"least(greatest({end}::numeric, {low}), {high})"
        moved = f"least(greatest({near} + {by}, {low}), {high})"
        element = {"int4range": "integer", "int8range": "bigint", "numrange": "numeric"}[cast]
        # least and greatest pass over NULL.
        return f"CASE WHEN {end} IS NOT NULL THEN ({moved})::{element} END"
    kind = _OF_DATES[cast]
    near = f"least(greatest({end}, '{_EARLIEST}'::{kind}), '{_LATEST}'::{kind})"
    added = f"{near} + {by}" if kind == "date" else f"{near} + make_interval(0, 0, 0, 0, 24 * {by})"
    return f"CASE WHEN isfinite({end}) THEN {added} ELSE {end} END"


def _finite(end: str, cast: str) -> str:
    return f"isfinite(coalesce({end}, 'infinity'))" if cast in _OF_DATES else f"{end} IS NOT NULL"
