"""``date_shift``: other days, the same intervals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, Message, moment_message
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope
from appliance.masking.shape import DATES, Shape, Value
from appliance.workflow.catalog import Column, Table

# Nearer to the ends of a type than a shift can be, dates move away from the end.
_LATEST = {"date": "5860000-01-01", "timestamp": "290000-01-01", "timestamptz": "290000-01-01"}
_EARLIEST = "4700-01-01 BC"


class DateShiftParams(SubjectParams):
    """Who shares a shift, and how far it goes."""

    max_days: int = Field(
        default=180,
        strict=True,
        ge=1,
        le=3_650,
        description="The longest shift, in days, either way. It is never zero.",
        examples=[60],
    )


class DateShift(Mask[DateShiftParams]):
    """Whole days, the same for all dates of a subject."""

    name = "date_shift"
    of_person = of_person_in_lists = True
    summary = "Moves dates by some days, the same for all dates of a subject."
    params = DateShiftParams
    kinds = DATES
    proof = "by_chance"
    promises = Promises(
        deterministic="yes: the same subject is moved by the same number of days everywhere",
        format="time of day, and intervals within a subject, are kept; infinity stays",
    )
    hides = "on which day something was, within `max_days`."
    learnt = (
        "the intervals between the dates of a subject and the time of day; with one pair of a "
        "subject, all dates of that subject. Of another subject, that each date lies within "
        "`max_days`."
    )
    originals = (Original("1984-03-05", "date"), Original("2024-02-29 10:15:00", "timestamp"))

    def compile(self, value: Value, params: DateShiftParams, scope: Scope) -> Masked:
        """A shift from the subject's keyed digest; by default the primary key is the subject."""
        kind, sql = value.shape.kind, value.sql
        own = own_subject(params, scope) or moment_message(sql, kind)
        drawn_from = self.drawn_from(params, own, scope)

        def moved(digest: Digest) -> str:
            days = f"(1 + mod({digest.number(0, 30)}, {params.max_days}))"
            by = days if kind == "date" else f"make_interval(0, 0, 0, 0, 24 * {days})"
            return (
                f"CASE WHEN {sql} > '{_LATEST[kind]}'::{_plain(kind)} THEN {sql} - {by}"
                f" WHEN {sql} < '{_EARLIEST}'::{_plain(kind)} THEN {sql} + {by}"
                f" WHEN {digest.bit(4)} THEN {sql} - {by} ELSE {sql} + {by} END"
            )

        shifted = scope.drawn(value, params.key_of(self.name), drawn_from.message, moved)
        return Masked(
            f"CASE WHEN isfinite({sql}) THEN {shifted} ELSE {sql} END",
            "by_chance",
            normal_form_sql=f"CASE WHEN isfinite({sql}) THEN {sql}::text END",
        )

    def follows_value(self, params: DateShiftParams) -> bool:
        """It follows the subject."""
        return False

    def example(self, original: Original, params: DateShiftParams) -> str:
        """Both dates are of one subject."""
        columns = params.subject_columns or ("id",)
        digest = draw.of_subject(params.key_of(self.name), columns)
        days = 1 + draw.number(digest, 0, 30) % params.max_days
        moved = datetime.fromisoformat(original.text) + timedelta(-days if draw.bit(digest, 4) else days)
        return str(moved.date() if original.type == "date" else moved)

    def problems(self, shape: Shape, params: DateShiftParams, scope: Scope) -> list[str]:
        """No subject, or one that is not there."""
        found = subject_problems(params, scope)
        if not is_someones(self, params, scope):
            found.append(
                "the table has no primary key to take as the subject; name the columns that identify whose"
                " dates these are, for example {mask: date_shift, subject: customer_id}"
            )
        elif scope.column.name in params.subject_columns:
            found.append(f"subject: `{scope.column.name}` cannot be its own subject")
        return found

    def distinct_with(
        self, key: tuple[str, ...], column: Column, table: Table, params: DateShiftParams
    ) -> bool:
        """Dates of one subject stay apart, so a key that holds the subject stays unique."""
        subject = params.subject_columns or _primary_key(table, column)
        return bool(subject) and set(subject) <= set(key) - {column.name}


def own_subject(params: SubjectParams, scope: Scope) -> Message | None:
    """What decides where no linked subject does: the named columns, else the primary key, if any."""
    known = {column.name for column in scope.table.columns}
    named = params.subject_columns if known.issuperset(params.subject_columns) else ()
    columns = named or _primary_key(scope.table, scope.column)
    return scope.subject(columns) if columns else None


def is_someones(mask: Mask[Any], params: SubjectParams, scope: Scope) -> bool:
    """Whether it is known whose values these are."""
    linked = scope.link(params.subject, by_itself=mask.of_person) is not None
    return linked or bool(params.subject_columns or _primary_key(scope.table, scope.column))


def _primary_key(table: Table, column: Column) -> tuple[str, ...]:
    return tuple(name for name in table.primary_key if name != column.name)


def _plain(kind: str) -> str:
    return {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz"}[kind]
