"""How a session gets what the masks' SQL asks for: keys when it is opened, word lists after that.

A server logs statements and their parameters where its owner wants that (``log_statement``,
``log_min_duration_statement``, pgaudit), but no start-up packet: a key in its ``options`` is the session's
default for a setting, which no other session sees. A word list is no secret, and too long for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import WrongRequestError
from appliance.masking.bindings import word_settings
from appliance.masking.compiled import Binding
from appliance.postgres.errors import database_failure

_BOUND_AT_ONCE = 40
MOST_OPTIONS = 9_000
"""Bytes. A server takes a start-up packet of 10,000, and names of databases and roles are in it, too."""
_SETTING = re.compile(r"appliance\.[a-z0-9_]+")
_VALUE = re.compile(r"-?[0-9a-f]+")
_LONGEST_VALUES = {"key": 64, "inner_pad": 128, "outer_pad": 128}


def start_options(settings: Mapping[str, str]) -> str:
    """What stands in a start-up packet's ``options`` for these settings.

    Raises ValueError for anything but settings of ours with digits for a value: the names come from a plan,
    which a step has written.
    """
    for name, value in settings.items():
        if not _SETTING.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"{name} is no setting for a key")
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def check_room(bindings: Iterable[Binding]) -> None:
    """Whether the keys of these bindings fit into a start-up packet. Raises WrongRequestError."""
    keys = [binding for binding in bindings if binding.part != "dictionary"]
    size = sum(len(f"-c {key.setting}= ") + _LONGEST_VALUES[key.part] for key in keys)
    if size > MOST_OPTIONS:
        raise WrongRequestError(
            f"The masks ask for {len(keys)} keys, and so many do not fit into the opening of a session.",
            f"They take {size:,} bytes of {MOST_OPTIONS:,}. Every mask has a key for each domain.",
            "Give fewer different domains to the masks, or split the workflow.",
        )


def bind_words(connection: Connection[TupleRow], bindings: Sequence[Binding]) -> None:
    """``set_config`` every word list for the rest of the session's transaction. Raises our errors."""
    settings = list(word_settings(bindings).items())
    for start in range(0, len(settings), _BOUND_AT_ONCE):
        some = settings[start : start + _BOUND_AT_ONCE]
        # The answer would be the value again: it is not sent back.
        calls = ", ".join("set_config(%s, %s, true) IS NULL" for _ in some)
        try:
            connection.execute(f"SELECT {calls}".encode(), [text for pair in some for text in pair])
        except psycopg.Error as error:
            raise database_failure("The masks' words could not be bound to the session.", error) from None
