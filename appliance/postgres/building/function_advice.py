"""What mends a function that finds its names only in some sessions: a ``search_path`` of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import psycopg

from appliance.errors import ApplianceError
from appliance.postgres.plan import Settings
from appliance.postgres.source.archive_contents import Entry

_NOT_FOUND = {"42883", "42P01", "42704", "3F000", "42725"}
"""No function, table, type or schema of that name, or two functions."""
# A line of the context names a function first; values of rows come after that, if at all.
_SQL_FUNCTION = re.compile(r'^SQL function "((?:[^"]|"")+)"', re.MULTILINE)
_PL_FUNCTION = re.compile(r"^PL/\w+ function (?:[^\s(.]+\.)?\"?([^\s(.\"]+)\"?\(", re.MULTILINE)
# What is not there, named with its schema: a path finds nothing else. In whatever language the server speaks.
_QUALIFIED = re.compile(r"\.[^.()]+\(|[\"«»„“][^\"«»„“”]*\.[^\"«»„“”]*[\"«»“”]")


def may_be_advised(error: psycopg.Error) -> bool:
    """Whether the error is of the kind that a search path mends."""
    if error.sqlstate not in _NOT_FOUND or "function" not in (error.diag.context or ""):
        return False
    return _QUALIFIED.search(error.diag.message_primary or "") is None


def mended(
    failure: ApplianceError, error: psycopg.Error, entries: Callable[[], Iterable[Entry]], settings: Settings
) -> ApplianceError:
    """The failure of a row that could not be written, with what mends it where the error says so."""
    context = error.diag.context or ""
    if error.sqlstate in _NOT_FOUND and context.startswith("COPY ") and "function" not in context:
        return failure.explain(
            "A value is the name of an object (regclass, regrole and the like), and the twin's database has"
            f" no such object when rows are loaded. (SQLSTATE {error.sqlstate})",
            "Mask the column with null, or leave its rows out under rows. A role that it names can be made on"
            " the target.",
        )
    advice = function_advice(error, entries(), settings) if may_be_advised(error) else None
    return advised(failure, advice) if advice is not None else failure


def function_advice(error: psycopg.Error, entries: Iterable[Entry], settings: Settings) -> str | None:
    """What to type on the source, where a function of the schema did not find what it names; None otherwise.

    Only names that stand in the schema come out of this.
    """
    context = error.diag.context or ""
    if not may_be_advised(error):
        return None
    named = {*_SQL_FUNCTION.findall(context), *_PL_FUNCTION.findall(context)}
    functions = [entry for entry in entries if entry.kind == "FUNCTION" and _name(entry) in named]
    if not functions:
        return None
    path = dict(settings).get("search_path", "public, pg_temp")
    return " ".join(
        f"ALTER FUNCTION {_quoted(entry.schema_name or '')}.{_signature(entry)} SET search_path = {path};"
        for entry in functions[:5]
    )


def in_the_source(advice: str) -> str:
    """The advice for something that is left out."""
    return (
        "A function does not find what it names: where it runs, another search_path may hold. To have it, run"
        f" in the source: {advice}"
    )


def advised(failure: ApplianceError, advice: str) -> ApplianceError:
    """The failure with that for its next step."""
    why = (
        f"A function does not find what it names: where it runs, another search_path may hold. {failure.why}"
    )
    return failure.explain(why, f"In the source: {advice}")


def _name(entry: Entry) -> str:
    """The function's name: pg_dump's tag is ``name(arguments)``, unquoted."""
    return entry.tag.partition("(")[0].strip('"')


def _signature(entry: Entry) -> str:
    return f"{_quoted(_name(entry))}({entry.tag.partition('(')[2]}"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
