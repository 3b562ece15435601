"""``position``: latitude and longitude moved within a radius."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.measures.limits import ends_of
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import FLOATS, Kind, Shape, Value, column_value

_METRES = 111_320.0
"""Of one degree of latitude, and at the equator of longitude."""
_POLE, _DATE_LINE = 90, 180
_STEPS = 1 << 30
_NUMBERS: frozenset[Kind] = FLOATS | frozenset[Kind]({"numeric"})


class PositionParams(SubjectParams):
    """How far, and what a column of one number is."""

    radius_m: float = Field(
        default=1000.0,
        ge=10,
        le=100_000,
        description="The farthest that a position moves, in metres.",
        examples=[500],
    )
    axis: Literal["latitude", "longitude"] | None = Field(
        default=None,
        description="Which of both a column of one number holds; a point has longitude, then latitude.",
        examples=["longitude"],
    )
    other: str | None = Field(
        default=None,
        description="The column with the other one of both: a position then moves within the circle, and the"
        " same position alike. Without it each moves for itself, within the square around the circle.",
        examples=["latitude"],
    )

    @model_validator(mode="after")
    def _of_one(self) -> PositionParams:
        if self.other is not None and self.axis is None:
            raise wrong("other is given without axis", "which of both this column holds, as axis")
        return self


class Position(Mask[PositionParams]):
    """Anywhere in the circle, each place as likely."""

    name = "position"
    summary = "Moves a latitude, a longitude or a point within a radius."
    params = PositionParams
    kinds = _NUMBERS | frozenset[Kind]({"point"})
    proof = "by_chance"
    promises = Promises(
        length="fits the column's precision; a column of few digits may round it to what it was",
        format="within 90 and 180 degrees, also near the poles and over the date line; NaN and infinity stay,"
        " other numbers that are no degrees become some",
    )
    hides = "where within the radius a position is."
    learnt = (
        "every position up to the radius, and which rows have the same one. With `subject`, one pair opens"
        " all positions of that subject."
    )
    originals = (Original("(13.4049,52.5201)", "point"),)

    def example_params(self) -> dict[str, object]:
        """Of a point."""
        return {"radius_m": 500}

    def compile(self, value: Value, params: PositionParams, scope: Scope) -> Masked:
        """From one digest of both, where both are known."""
        kind, sql = value.shape.kind, value.sql
        key = params.key_of(self.name)
        own = value.text if params.other is None else self._both(value, params, scope)
        message = self.drawn_from(params, text_message(own), scope).message

        def point(digest: Digest) -> str:
            north, east = _moves(digest, params.radius_m)
            latitude = _within(f"{sql}[1]", north, _POLE)
            longitude = _within(f"{sql}[0]", _eastward(east, f"{sql}[1]"), _DATE_LINE)
            return f"point({longitude}, {latitude})"

        def number(digest: Digest) -> str:
            north, east = _moves(digest, params.radius_m)
            wide = f"({_degrees(value)})"
            if params.axis == "latitude":
                made = _within(wide, north, _POLE)
            else:
                other = f"({_degrees(self._other(params, scope))})" if params.other else "0::float8"
                made = _within(wide, _eastward(east, other), _DATE_LINE)
            if kind == "numeric":
                made = f"CASE WHEN scale({sql}) IS NULL THEN {sql} ELSE ({made})::numeric END"
            return f"({made})::{value.shape.cast}"

        masked = scope.drawn(value, key, message, point if kind == "point" else number)
        form = f"CASE WHEN {sql}::text !~ '[a-z]' THEN {sql}::text END"
        return Masked(masked, "by_chance", chance=_chance(value.shape, params), normal_form_sql=form)

    def _other(self, params: PositionParams, scope: Scope) -> Value:
        return column_value(next(each for each in scope.table.columns if each.name == params.other))

    def _both(self, value: Value, params: PositionParams, scope: Scope) -> str:
        """Latitude and longitude in one text, whichever of both is this one."""
        other = self._other(params, scope)
        pair = (value, other) if params.axis == "latitude" else (other, value)
        return " || ',' || ".join(f"coalesce({each.text}, '')" for each in pair)

    def follows_value(self, params: PositionParams) -> bool:
        """Not where it follows both numbers, or the subject."""
        return not params.subject_columns and params.other is None

    def example(self, original: Original, params: PositionParams) -> str:
        """Of a point."""
        key = params.key_of(self.name)
        if params.subject_columns:
            digest = draw.of_subject(key, params.subject_columns)
        else:
            digest = draw.of_text(key, original.text)
        longitude, latitude = map(float, original.text.strip("()").split(","))
        far = params.radius_m * math.sqrt(draw.number(digest, 0, 30) / _STEPS) / _METRES
        turn = 2 * math.pi * (draw.number(digest, 4, 30) / _STEPS)
        east = far * math.sin(turn) / max(math.cos(math.radians(latitude)), 0.01)
        return f"({round(longitude + east, 7)!r},{round(latitude + far * math.cos(turn), 7)!r})"

    def problems(self, shape: Shape, params: PositionParams, scope: Scope) -> list[str]:
        """What a number is must be said; the other column must be there, and a number."""
        found = subject_problems(params, scope)
        if shape.kind == "point":
            return found + (["axis: a point has both"] if params.axis else [])
        if params.axis is None:
            found.append("axis: say whether the column holds the latitude or the longitude")
        if shape.kind == "numeric" and ends_of(shape).highest < 180:
            found.append(f"the column is {shape.cast}, and degrees go up to 180")
        others = {each.name: column_value(each).shape for each in scope.table.columns}
        if params.other is not None and params.other not in others:
            found.append(f"other: the table has no column `{params.other}`")
        elif params.other is not None and others[params.other].kind not in _NUMBERS:
            found.append(f"other: the column `{params.other}` holds no numbers")
        return found


def _moves(digest: Digest, radius: float) -> tuple[str, str]:
    """Northward and eastward, in degrees at the equator: the root makes each place as likely."""
    far = f"({radius!r}::float8 * sqrt({digest.number(0, 30)} / {_STEPS}::float8) / {_METRES!r}::float8)"
    turn = f"(2 * pi() * ({digest.number(4, 30)} / {_STEPS}::float8))"
    return f"{far} * cos({turn})", f"{far} * sin({turn})"


def _eastward(move: str, latitude: str) -> str:
    """Degrees of longitude are shorter toward the poles; a latitude that is none counts as the equator's."""
    degrees = f"CASE WHEN abs({latitude}) <= {_POLE} THEN {latitude} ELSE 0 END"
    return f"{move} / greatest(cos(radians({degrees})), 0.01::float8)"


def _within(number: str, move: str, end: int) -> str:
    """To seven digits, a centimetre; NaN and infinity as they are.

    What would go over a pole comes back from it, what goes over the date line comes in at the other side.
    """
    near = f"least(greatest({number}, -{end}::float8), {end}::float8)"
    beyond = f"{2 * end} - appliance_to" if end == _POLE else f"appliance_to - {2 * end}"
    before = f"-{2 * end} - appliance_to" if end == _POLE else f"appliance_to + {2 * end}"
    cases = f"WHEN appliance_to > {end} THEN {beyond} WHEN appliance_to < -{end} THEN {before}"
    ended = f"CASE {cases} ELSE appliance_to END"
    to = f"SELECT round(({near} + {move})::numeric, 7) AS appliance_to"
    moved = f"(SELECT ({ended})::float8 FROM ({to}) AS appliance_moved)"
    return f"CASE WHEN {number} IN ('NaN', 'Infinity', '-Infinity') THEN {number} ELSE {moved} END"


def _degrees(value: Value) -> str:
    """A number as double precision, whatever numeric can hold; NaN for what is none."""
    if value.shape.kind != "numeric":
        return f"{value.sql}::float8"
    near = f"round(least(greatest({value.sql}, -180), 180), 9)::float8"
    return f"CASE WHEN scale({value.sql}) IS NULL THEN 'NaN'::float8 ELSE {near} END"


def _chance(shape: Shape, params: PositionParams) -> float:
    """That a move is less than a step of the column."""
    step = 1e-7 if shape.kind != "real" else 2e-5
    if shape.kind == "numeric" and shape.precision is not None:
        step = 10.0 ** -(shape.scale or 0)
    return min(1.0, 4 * step * _METRES / params.radius_m)
