"""SQL text that means the same whatever a server's settings are."""

from __future__ import annotations


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted text literal, also where ``standard_conforming_strings`` is off."""
    quoted = text.replace("'", "''")
    if "\\" not in text:
        return f"'{quoted}'"
    return "E'" + quoted.replace("\\", "\\\\") + "'"


def output_text(sql: str) -> str:
    """A value's text by its type's own output function; NULL stays NULL.

    ``::text`` would call a cast, and the owner of an enum or a composite type may define one: it would run as
    the role that reads.
    """
    return f"(CASE WHEN num_nulls({sql}) = 0 THEN format('%s', {sql}) END)"


def array_literal(texts: tuple[str, ...]) -> str:
    """The text form of a one-dimensional array, every element quoted (not yet an SQL literal)."""
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"


def short_match(text: str, pattern: str) -> str:
    """Whether a text is what a pattern without quotes says, as a whole, and at most 80 bytes long.

    A regular expression over a very long text takes more memory than there may be.
    """
    return f"CASE WHEN octet_length({text}) > 80 THEN false ELSE {text} ~ '^({pattern})$' END"
