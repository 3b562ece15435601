"""Masks that give a column's own values back, to other rows: ``distribution`` and ``shuffle``."""

from __future__ import annotations

import json

from pydantic import Field, JsonValue

from appliance.masking.constant_values import WrongConstantError, constant_text
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, Message, text_message
from appliance.masking.expressions.sql_text import identifier, literal
from appliance.masking.mask import (
    KeyedParams,
    Mask,
    Masked,
    Original,
    Promises,
    SubjectParams,
    subject_problems,
)
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import DATES, FLOATS, INTEGERS, TEXT, TIMES, Kind, Shape, Value, shape_of

MOST_VALUES = 1_000
"""Different values that ``distribution`` gives: the most frequent ones."""
MOST_ROWS = 300_000
"""Of a table that is shuffled: all of its values are held in the source server's memory, and must fit."""
LONGEST = 200
"""Characters of a text that is shuffled; jsonb holds 256 MB."""
INVENTED_COLUMN = (("basic", 500), ("plus", 300), ("pro", 40), ("someone's own", 1))
"""Values and how many rows have each, for examples; the most frequent first."""
INVENTED_TABLE = (3100, 4200, 2800, 5150, 3900)
"""For examples."""
_FIXED: frozenset[Kind] = INTEGERS | FLOATS | DATES | TIMES | frozenset[Kind]({"uuid", "boolean"})


class DistributionParams(SubjectParams):
    """Which values may come out."""

    at_least: int = Field(
        default=10,
        strict=True,
        ge=2,
        le=1_000_000,
        description="A value that fewer rows have never comes out: it could be one person's.",
        examples=[50],
    )
    otherwise: JsonValue = Field(
        default=None,
        description="What comes out where no value is so frequent; NULL by default.",
        examples=["unknown"],
    )


class Distribution(Mask[DistributionParams]):
    """A draw among the column's own frequent values, each as often as it stands there."""

    name = "distribution"
    summary = "Replaces a value with one of the column's own, as often as each stands there."
    params = DistributionParams
    whole_column = True
    kinds = (_FIXED - TIMES) | TEXT | frozenset[Kind]({"numeric", "enum", "inet"})
    proof = "by_chance"
    promises = Promises(
        deterministic="yes, as long as the column has the same values as often in the run's snapshot",
        length="a value's of the column",
        format="one of the 1,000 most frequent values of the table, or of the partition; it may be the same"
        " by chance",
    )
    hides = "whose a value is, and every value that fewer than `at_least` rows have."
    learnt = (
        "the frequent values of the column and about how often each stands there, also in rows that the"
        " workflow leaves out. The n pairs open themselves and nothing else."
    )
    originals = (Original("plus"), Original("someone's own"))

    def compile(self, value: Value, params: DistributionParams, scope: Scope) -> Masked:
        """The counted values are read once a statement, and a draw is found among their shares."""
        drawn_from = self.drawn_from(params, text_message(value.key_text), scope)
        own = Value(f"o.{identifier(scope.column.name)}", value.shape)
        counted = (
            f"SELECT {own.sql} AS appliance_own, count(*) AS appliance_count,"
            f" min({own.text}) AS appliance_text {_rows(own, scope)} GROUP BY {own.sql}"
            f" HAVING count(*) >= {params.at_least} ORDER BY 2 DESC, 3 LIMIT {MOST_VALUES}"
        )
        order = "appliance_count DESC, appliance_text"
        values = f"(SELECT array_agg(appliance_own ORDER BY {order}) FROM ({counted}) AS c)"
        summed = (
            f"SELECT sum(appliance_count) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING)::bigint"
            f" AS appliance_end FROM ({counted}) AS c"
        )
        ends = f"(SELECT array_agg(appliance_end ORDER BY appliance_end) FROM ({summed}) AS s)"
        total = f"(SELECT sum(appliance_count) FROM ({counted}) AS c)"
        otherwise = "NULL"
        if params.otherwise is not None:
            otherwise = f"{literal(constant_text(value.shape, params.otherwise))}::{value.shape.cast}"

        def drawn(digest: Digest) -> str:
            place = f"floor({digest.number(0, 30)} / {1 << 30}::float8 * {total})::bigint"
            return f"coalesce(({values})[1 + width_bucket({place}, {ends})], {otherwise})"

        sql = scope.drawn(value, params.key_of(self.name), drawn_from.message, drawn)
        sql = unless_empty(value, sql) if value.shape.kind == "text" else sql
        return Masked(sql, "by_chance", chance=1.0)

    def follows_value(self, params: DistributionParams) -> bool:
        """The whole column decides."""
        return False

    def example(self, original: Original, params: DistributionParams) -> str:
        """Of an invented column."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        frequent = [(value, count) for value, count in INVENTED_COLUMN if count >= params.at_least]
        place = draw.number(digest, 0, 30) * sum(count for _, count in frequent) >> 30
        for value, count in frequent:
            if place < count:
                return value
            place -= count
        otherwise = params.otherwise
        return "NULL" if otherwise is None else str(otherwise)

    def problems(self, shape: Shape, params: DistributionParams, scope: Scope) -> list[str]:
        """Not inside a document or an array; what comes out otherwise must fit."""
        found = subject_problems(params, scope) + _whole_column(shape, scope)
        if params.otherwise is not None and not shape.is_array:
            try:
                constant_text(shape, params.otherwise)
            except WrongConstantError as wrong:
                found.append(f"otherwise: {json.dumps(params.otherwise, ensure_ascii=False)[:60]} {wrong}")
        if params.otherwise is None and scope.column.not_null:
            found.append(
                "otherwise: the column is NOT NULL; say what comes out where no value is so frequent"
            )
        return found


class Shuffle(Mask[KeyedParams]):
    """Rows are put in one order by their keys' digests, values in another, and go together by place."""

    name = "shuffle"
    summary = "Gives each row the value of another row of the table, as a key decides."
    params = KeyedParams
    whole_column = True
    kinds = _FIXED | TEXT | frozenset[Kind]({"numeric"})
    proof = "by_chance"
    promises = Promises(
        deterministic="yes, as long as the table has the same rows with the same values",
        length="a text is cut to 200 characters",
        format="every value stands in the twin as often as in the table, or partition; a row may keep its"
        " own",
    )
    hides = "whose a value is. Every value stands in the twin, so what names a person must not be shuffled."
    learnt = "all values of the column, not whose they are. The n pairs open themselves and nothing else."
    originals = tuple(Original(str(value), "integer") for value in INVENTED_TABLE[:2])

    def compile(self, value: Value, params: KeyedParams, scope: Scope) -> Masked:
        """Both orders are read once a statement; a row finds its place by a binary search."""
        key, shape = params.key_of(self.name), value.shape
        own = Value(f"o.{identifier(scope.column.name)}", shape)
        rows = _rows(own, scope)
        plain, other = self._places(scope, "o.")
        places = (
            "(SELECT array_agg(appliance_place ORDER BY appliance_place) FROM"
            f" (SELECT {scope.digest(key, plain).number_once(63)} AS appliance_place {rows}"
            f" ORDER BY 1 LIMIT {MOST_ROWS}) AS p)"
        )
        held = own.sql if shape.kind in _FIXED else f"to_jsonb({_short(own)})"
        ordered = (
            f"(SELECT {held} AS appliance_own, {scope.digest(key, other).number_once(63)} AS appliance_place"
            f" {rows} ORDER BY 2 LIMIT {MOST_ROWS}) AS v"
        )
        gather = "array_agg" if shape.kind in _FIXED else "jsonb_agg"
        values = f"(SELECT {gather}(appliance_own ORDER BY appliance_place) FROM {ordered})"
        mine = scope.digest(key, self._places(scope, "")[0]).number_once(63)
        place = f"width_bucket({mine}, {places})"
        taken = f"({values})[{place}]" if shape.kind in _FIXED else f"({values} ->> ({place} - 1))"
        # Rows that came after the planner's estimate may be more than are held: they keep nothing of theirs.
        sql = f"CASE WHEN {value.sql} IS NOT NULL THEN ({taken})::{shape.cast} END"
        sql = unless_empty(value, sql) if shape.kind == "text" else sql
        return Masked(sql, "by_chance", chance=1.0)

    def _places(self, scope: Scope, alias: str) -> tuple[Message, Message]:
        """What a row's place among the rows, and its value's among the values, are drawn from."""
        columns = {column.name: column for column in scope.table.columns}
        values = (
            Value(f"{alias}{identifier(name)}", shape_of(columns[name])) for name in scope.table.primary_key
        )
        parts = ", ".join(f"octet_length({each.text}), {each.text}" for each in values)
        return text_message(f"concat_ws(chr(31), 'row', {parts})"), text_message(
            f"concat_ws(chr(31), 'value', {parts})"
        )

    def follows_value(self, params: KeyedParams) -> bool:
        """The row decides."""
        return False

    def example(self, original: Original, params: KeyedParams) -> str:
        """Of an invented table, whose rows have the numbers from 0 on as their key."""
        key = params.key_of(self.name)

        def order(what: str) -> list[int]:
            texts = {
                row: chr(31).join((what, str(len(str(row))), str(row))) for row in range(len(INVENTED_TABLE))
            }
            return sorted(texts, key=lambda row: draw.number(draw.of_text(key, texts[row]), 0, 63))

        row = INVENTED_TABLE.index(int(original.text))
        return str(INVENTED_TABLE[order("value")[order("row").index(row)]])

    def problems(self, shape: Shape, params: KeyedParams, scope: Scope) -> list[str]:
        """Rows must be known apart, and their values fit into memory."""
        found = _whole_column(shape, scope)
        if not scope.table.primary_key:
            found.append("the table has no primary key, by which its rows could be put in an order")
        elif scope.column.name in scope.table.primary_key:
            found.append("the column is part of the primary key, which decides whose value a row gets")
        if scope.table.estimated_rows > MOST_ROWS:
            found.append(
                f"the table has about {scope.table.estimated_rows:,} rows, and at most {MOST_ROWS:,} can be"
                " shuffled; distribution draws from the column's values whatever its size"
            )
        if shape.kind == "text" and scope.encoding == "SQL_ASCII":
            found.append("the database is SQL_ASCII, whose bytes may be no text of any encoding")
        if shape.kind == "numeric" and shape.precision is None:
            found.append("the column is numeric without a precision, so its values may be too long")
        return found


def _short(own: Value) -> str:
    return f"left({own.text}, {LONGEST})" if own.shape.kind == "text" else own.sql


def _rows(own: Value, scope: Scope) -> str:
    """The rows of the table with a value; an empty text is none, and stays."""
    empty = f" AND {own.text} <> ''" if own.shape.kind == "text" else ""
    table = f"{identifier(scope.table.schema_name)}.{identifier(scope.table.name)}"
    return f"FROM ONLY {table} AS o WHERE {own.sql} IS NOT NULL{empty}"


def _whole_column(shape: Shape, scope: Scope) -> list[str]:
    if shape.is_array or shape != shape_of(scope.column):
        return ["it draws from whole values of a column, and there are none inside an array or a document"]
    return []
