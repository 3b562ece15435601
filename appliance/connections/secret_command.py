"""A program that prints a secret, as ``connections.yaml`` names it."""

from __future__ import annotations

import shlex

from appliance.documents.model import wrong


def program_and_arguments(value: object) -> object:
    """A text as a shell would split it, a list as it is. Raises a validator's error for any other."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        raise wrong("has a quote that is not closed", "a program and its arguments") from None
    if isinstance(words, list | tuple) and (not words or not all(isinstance(each, str) for each in words)):
        raise wrong("is no program and its arguments", "texts, the program first")
    if isinstance(words, list | tuple) and (not words[0].strip() or any("\0" in each for each in words)):
        raise wrong("names no program", "a program and its arguments")
    return words
