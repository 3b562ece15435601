"""What a migration's statements would reach beyond the branch: refused before there is a branch.

The migration may run as the twin's owner, who may do to the twin what PostgreSQL lets an owner do. Roles,
databases and settings of the server are everybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from appliance.errors import WrongRequestError
from appliance.rehearsals.statements import Statement

_OF_SERVER = {"database", "role", "user", "group", "tablespace", "system", "subscription", "server"}
_CHANGES = {"create", "drop", "alter"}
_INSIDE_BODY = re.compile(
    r"\b(?:create|drop|alter|comment\s+on)\s+(?:database|role|user|group|tablespace|system|subscription|server)\b"
    r"|\b(?:drop|reassign)\s+owned\b|\bon\s+database\b|\bdblink\w*|\bto\s+program\b|\bfrom\s+program\b",
    re.IGNORECASE,
)
_SIGNALS = {"pg_terminate_backend", "pg_cancel_backend"}
_EXTENSIONS = {"dblink", "postgres_fdw", "file_fdw", "adminpack", "pg_cron"}


def refuse_beyond(statements: Iterable[Statement]) -> None:
    """Raise WrongRequestError for the first one that reaches beyond the branch."""
    for statement in statements:
        why = why_beyond(statement)
        if why is not None:
            raise WrongRequestError(
                f"{statement.place} is not rehearsed: {statement.shown}",
                why,
                "Leave it out of the rehearsal, and try it on a server of its own.",
            )


def why_beyond(statement: Statement) -> str | None:
    """Why it is not for a branch; None for one that stays inside, or that the server itself refuses."""
    words = statement.words
    if not words:
        return None
    for words_fit, why in (
        (_changes_server(words), "Databases, roles and settings of the server are not a branch's own."),
        (_reaches_out(words), "It would open a connection to somewhere else."),
        (_signals(words), "It would end other sessions than its own."),
        (words[:2] == ("prepare", "transaction"), "A prepared transaction stays when the migration is over."),
    ):
        if words_fit:
            return why
    if words[0] == "copy":
        return _why_copy(words)
    if _INSIDE_BODY.search("\n".join(statement.literals)) and words[0] in {
        "do",
        "create",
        "execute",
        "prepare",
    }:
        return "What it executes names databases, roles, programs or connections of the server."
    return None


def _changes_server(words: tuple[str, ...]) -> bool:
    first, second = words[0], words[1] if len(words) > 1 else ""
    if first in _CHANGES and second in _OF_SERVER:
        return True
    if first in {"drop", "reassign"} and second == "owned":
        return True
    if first in {"comment", "security"} and words[1:3] in {("on", each) for each in _OF_SERVER}:
        return True
    if first in {"grant", "revoke"}:
        # Without ON, it is a membership in a role.
        return "on" not in words or ("on", "database") in pairwise(words)
    return False


def _reaches_out(words: tuple[str, ...]) -> bool:
    if any(word.startswith("dblink") for word in words):
        return True
    if words[:2] == ("create", "extension"):
        return not _EXTENSIONS.isdisjoint(words)
    return words[:3] == ("import", "foreign", "schema") or words[:4] == (
        "create",
        "foreign",
        "data",
        "wrapper",
    )


def _signals(words: tuple[str, ...]) -> bool:
    return not _SIGNALS.isdisjoint(words) and "pg_backend_pid" not in words


def _why_copy(words: tuple[str, ...]) -> str:
    if "program" in words:
        return "It would start a program on the database's server."
    if "stdin" in words or "stdout" in words:
        return "COPY through STDIN or STDOUT is psql's to feed. Write INSERT instead."
    return "It would read or write a file on the database's server."
