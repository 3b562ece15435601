"""Which tables a preview shows, and where originals may be shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence

from appliance.documents.problems import did_you_mean, printable
from appliance.errors import WrongRequestError
from appliance.workflow.matching.patterns import Pattern, PatternError, literal_pattern, parse_pattern

Name = tuple[str, str]


def check_reveal(*, as_json: bool) -> None:
    """Originals are for eyes: raise WrongRequestError where a file, a pipe or a program would get them."""
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongRequestError(
            "Originals are shown on a terminal only.",
            "A pipe, a file or a job would keep what --reveal shows.",
            "Run it by hand on a terminal, or leave --reveal out.",
        )


def tables_wanted(texts: Sequence[str]) -> Callable[[Collection[Name]], Collection[Name]]:
    """The choice among the tables that a workflow selects; all of them where none is named.

    Raises WrongRequestError for what is no pattern, and the choice does where a pattern means no table.
    """
    patterns = [_pattern(text) for text in texts]

    def choose(tables: Collection[Name]) -> Collection[Name]:
        for pattern in patterns:
            if not any(pattern.matches(*name) for name in tables):
                raise _no_table(pattern, tables)
        return [
            name for name in tables if not patterns or any(pattern.matches(*name) for pattern in patterns)
        ]

    return choose


def _pattern(text: str) -> Pattern:
    try:
        # A table alone is meant in whichever schema it stands.
        return parse_pattern(text if "." in text else f"*.{text}", 2)
    except PatternError as error:
        raise WrongRequestError(
            f"The pattern {printable(text)} {error}.", f"Expected {error.expected}."
        ) from None


def _no_table(pattern: Pattern, tables: Collection[Name]) -> WrongRequestError:
    names = [literal_pattern(*name) for name in tables]
    close = did_you_mean(pattern.text, names)
    hint = f"Did you mean {printable(close)}?" if close else "Tables are named as the database has them."
    return WrongRequestError(
        f"The workflow selects no table {printable(pattern.text)}.",
        hint,
        "appliance plan FILE lists the tables that it selects.",
    )
