"""The kinds of text in a workflow document, each checked where it stands, and a column that is kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from appliance.documents.model import StrictModel, describe, wrong
from appliance.documents.named_types import named, shape
from appliance.workflow.cron import CronError, parse_cron
from appliance.workflow.matching.patterns import PatternError, parse_pattern


def _pattern_of(parts: int) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse_pattern(text, parts)
        except PatternError as error:
            raise wrong(f"the pattern {describe(text)} {error}", error.expected) from None
        return text

    return AfterValidator(check)


NEVER = "never"
"""In place of the time of a check for drift: there is none, as far as policy lets a workflow say so."""


def _check_literal(text: str) -> str:
    if not parse_pattern(text, 3).literal:
        raise wrong(f"{describe(text)} is not one column", "schema.table.column without a wildcard")
    return text


def _check_literal_table(text: str) -> str:
    if not parse_pattern(text, 2).literal:
        raise wrong(f"{describe(text)} is not one table", "schema.table without a wildcard")
    return text


def _check_schedule(text: str) -> str:
    try:
        parse_cron(text)
    except CronError as error:
        raise wrong(str(error), error.expected) from None
    return text


def _check_drift(text: str) -> str:
    return text if text == NEVER else _check_schedule(text)


def _check_timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):
        raise wrong(
            f"{describe(text)} is not a time zone", "an IANA name, for example Europe/Vienna"
        ) from None
    return text


def _check_title(text: str) -> str:
    if not text.isprintable():
        raise wrong("has a character that is not printable", "one line of text")
    return text


def _check_thing(text: str) -> str:
    if len(text.split()) < 2 or len(text) > 1_000 or not text.isprintable():
        raise wrong(f"{describe(text)} is not a kind and a name", "for example `view public.report`")
    return text


def _null_is_a_word(value: Any) -> Any:
    """``null`` without quotes is nothing in YAML and JSON, and the word in ours."""
    return "null" if value is None else value


MaskName = Annotated[
    str,
    BeforeValidator(_null_is_a_word),
    named(r"[a-z][a-z0-9_]{0,62}", "the name of a mask: a-z, 0-9 and _, for example email"),
]
Unlisted = Annotated[Literal["halt", "null", "keep"], BeforeValidator(_null_is_a_word)]
Title = Annotated[str, AfterValidator(_check_title)]
TablePattern = Annotated[str, _pattern_of(2)]
ColumnPattern = Annotated[str, _pattern_of(3)]
OneColumn = Annotated[ColumnPattern, AfterValidator(_check_literal)]
OneTable = Annotated[TablePattern, AfterValidator(_check_literal_table)]
SUBJECT_NAME = r"[a-z][a-z0-9_-]{0,62}"
SubjectName = Annotated[
    str, named(SUBJECT_NAME, "a name of a-z, 0-9, _ and -, for example customer"), shape(SUBJECT_NAME)
]
LeftOutThing = Annotated[str, AfterValidator(_check_thing)]
Schedule = Annotated[str, AfterValidator(_check_schedule)]
DriftSchedule = Annotated[str, AfterValidator(_check_drift)]
TimeZone = Annotated[str, AfterValidator(_check_timezone)]


class KeptBecause(StrictModel):
    """A column that was judged: it is kept, and is not said to look personal."""

    column: ColumnPattern = Field(
        description="A pattern schema.table.column.", examples=["public.product.name"]
    )
    because: str = Field(
        min_length=1,
        max_length=500,
        description="Why it is kept, though it may look personal.",
        examples=["names of products"],
    )
