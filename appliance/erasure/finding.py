"""The subject in the source: the row that was meant, what others know it by, and keyed digests of that.

What was typed goes to the server in the start-up packet, which no server logs, and never as SQL text or as a
statement's parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.errors import database_failure
from appliance.subjects.conditions import bound_text, can_be_cast, digest_of, equals, normal_text, text_of
from appliance.subjects.erased import ERASED_KEY
from appliance.subjects.walk import Walk
from appliance.workflow.catalog import Table

OpenKeyed = Callable[[Mapping[str, str]], Connection[TupleRow]]
"""Opens a session whose start-up packet sets these settings, digits only."""

_TYPED = "appliance.subject"


@dataclass(frozen=True)
class FoundSubject:
    """What a subject is known by. Never to be printed or written."""

    values: dict[str, str]
    """By column of its own table, in the form that is compared; without those that are NULL."""
    digests: dict[str, str]
    """Of the same."""
    in_source: bool
    """Its own row is there."""


def setting_name(number: int) -> str:
    """Under which a value is bound."""
    return f"{_TYPED}_{number}"


def in_hex(text: str) -> str:
    """A value as a setting may have it."""
    return text.encode("utf-8", "surrogatepass").hex()


def table_sql(table: Table) -> str:
    """The quoted, qualified name."""
    return f"{identifier(table.schema_name)}.{identifier(table.name)}"


def find_subject(open_source: OpenKeyed, walked: Walk, by: str, typed: str, digest_key: str) -> FoundSubject:
    """The one that ``by`` leads to; also one that the source does not have any more, for the copies' sake.

    Raises WrongRequestError where it is no subject or more than one.
    """
    subject, root = walked.subject, walked.root
    if by not in subject.finding_columns:
        raise WrongRequestError(
            f"A subject is not found by '{by}'.",
            f"subjects.yaml has: {', '.join(subject.finding_columns)}.",
            "Name one of them with --by.",
        )
    text = normal_text(typed, root.column(by))
    if not text:
        raise WrongRequestError(
            f"What was typed is no value that {root.name}.{by} can have.",
            f"Its type is {root.column(by).type}.",
            "Type it again; nothing was looked for.",
        )
    row = _row(open_source, walked, by, text)
    if row is None and by not in walked.anchors:
        raise WrongRequestError(
            f"The source has no {root.name} with that {by}.",
            f"Rows in copies are known by: {', '.join(walked.anchors)}.",
            f"Name the subject by one of these, with --by {walked.anchors[0]}.",
        )
    if row is None and not can_be_cast(root.column(by)):
        raise WrongRequestError(
            f"The source has no {root.name} with that {by}.",
            f"What a copy calls it cannot be asked: text that is no {root.column(by).type} would stand in the"
            " server's log.",
            "Restore the row in the source, or erase in the copies by hand.",
        )
    values = {by: text} if row is None else row
    settings = {setting_name(number): in_hex(value) for number, value in enumerate(values.values())}
    settings[ERASED_KEY.setting] = digest_key
    shown = ", ".join(
        digest_of(bound_text(setting_name(number)), ERASED_KEY.setting) for number in range(len(values))
    )
    try:
        with closing(open_source(settings)) as session:
            (digests,) = session.execute(f"SELECT {shown}".encode()).fetchall()
    except psycopg.Error as error:
        raise database_failure("The source could not be asked.", error) from None
    return FoundSubject(values, dict(zip(values, digests, strict=True)), row is not None)


def _row(open_source: OpenKeyed, walked: Walk, by: str, text: str) -> dict[str, str] | None:
    root = walked.root
    columns = walked.anchors
    shown = ", ".join(text_of(f"t.{identifier(name)}", root.column(name)) for name in columns)
    wanted = equals(f"t.{identifier(by)}", root.column(by), text, _TYPED)
    query = f"SELECT {shown} FROM {table_sql(root.table)} AS t WHERE {wanted} LIMIT 2"  # noqa: S608
    try:
        with closing(open_source({_TYPED: in_hex(text)})) as session:
            rows = session.execute(query.encode()).fetchall()
    except psycopg.Error as error:
        raise database_failure("The subject could not be looked for in the source.", error) from None
    if len(rows) > 1:
        raise WrongRequestError(
            f"More than one row of {root.name} has that {by}.",
            "An erasure is of one subject.",
            f"Name it by its key: --by {walked.subject.key}",
        )
    if not rows:
        return None
    return {name: value for name, value in zip(columns, rows[0], strict=True) if value is not None}
