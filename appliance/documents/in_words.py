"""A value of a document as people read it, and never as Python writes it."""

from __future__ import annotations

from pydantic import JsonValue


def in_words(value: JsonValue) -> str:
    """A value as one would write it, a list by its members and a mapping by its keys."""
    match value:
        case None | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(in_words(each) for each in value)
        case dict():
            return "; ".join(f"{key}: {in_words(each)}" for key, each in value.items())
    return str(value)
