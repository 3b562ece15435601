"""Whether a piece of SQL from a document can be put between parentheses and stay between them."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      (?P<quoted> [eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<dollar> \$(?P<tag>[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$ )
    | (?P<comment> --[^\n]* | /\* )
    | (?P<word> [\w\x80-\U0010ffff$]+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_FORBIDDEN = {
    "'": "has a quote that is not closed",
    '"': "has a quote that is not closed",
    ";": "has a semicolon: one condition is wanted, not statements",
}


def condition_problem(text: str) -> str | None:
    """What is wrong with an SQL condition's form; None if nothing is. The server judges all else.

    Text as PostgreSQL's lexer reads it with ``standard_conforming_strings`` on.
    """
    depth = position = 0
    problem = "has a character that PostgreSQL cannot store" if "\0" in text else None
    while position < len(text) and problem is None:
        token = _TOKEN.match(text, position)
        assert token is not None  # noqa: S101 - any character is a token
        position = token.end()
        if token["dollar"]:
            end = text.find(token["dollar"], position)
            position = end + len(token["dollar"])
            problem = "has a dollar quote that is not closed" if end < 0 else None
        elif token["comment"]:
            problem = "has a comment"
        elif token["other"]:
            depth += {"(": 1, ")": -1}.get(token["other"], 0)
            problem = _FORBIDDEN.get(token["other"])
            if depth < 0:
                problem = "closes a parenthesis that it did not open"
    return "has a parenthesis that is not closed" if depth > 0 and problem is None else problem
