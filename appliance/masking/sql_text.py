"""SQL text that means the same whatever a server's settings are."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted text literal, also where ``standard_conforming_strings`` is off."""
    quoted = text.replace("'", "''")
    if "\\" not in text:
        return f"'{quoted}'"
    return "E'" + quoted.replace("\\", "\\\\") + "'"


def array_literal(texts: tuple[str, ...]) -> str:
    """The text form of a one-dimensional array, every element quoted (not yet an SQL literal)."""
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"


def short_match(text: str, pattern: str) -> str:
    """Whether a text is what a pattern without quotes says, as a whole, and at most 80 bytes long.

    A regular expression over a very long text takes more memory than there may be.
    """
    return f"CASE WHEN octet_length({text}) > 80 THEN false ELSE {text} ~ '^({pattern})$' END"
