"""Definitions of a database that has no encoding (SQL_ASCII), which may hold bytes of any.

A run's folder is JSON, so a byte that is no UTF-8 is one character there, from the end of Unicode's private
use area. It becomes the same byte again before a server gets it. Servers would check text as UTF-8: what
holds such bytes goes and comes with the check off.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg import ClientCursor, Connection
from psycopg.rows import TupleRow

_FIRST = 0x10FF00
_STANDING_FOR_BYTES = re.compile(f"[{chr(_FIRST + 0x80)}-{chr(_FIRST + 0xFF)}]")
_IN_UTF8 = re.compile(rb"\xf4\x8f[\xbe\xbf][\x80-\xbf]")
"""The same."""
_HANDLER = "appliance.bytes_as_characters"
_NONE = "SQL_ASCII"


def _as_characters(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - it is used to decode only
    return "".join(chr(_FIRST + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_HANDLER, _as_characters)


def text_of(data: bytes) -> str:
    """UTF-8 as text, and whatever is none in a form that ``bytes_of`` knows."""
    return data.decode("utf-8", _HANDLER)


def bytes_of(text: str) -> bytes:
    """The bytes that were read with ``text_of``."""
    return _IN_UTF8.sub(lambda found: bytes([ord(found[0].decode()) - _FIRST]), text.encode())


def client_encoding_for(server_encoding: str | None) -> str:
    """In which encoding a server is asked for text: UTF-8, unless it knows none to convert from."""
    return _NONE if server_encoding == _NONE else "UTF8"


def holds_bytes(text: str) -> bool:
    """Whether a text that was read with ``text_of`` is no text as a whole."""
    return _STANDING_FOR_BYTES.search(text) is not None


def is_plain(statements: bytes) -> bool:
    """Whether it is UTF-8, which every server takes."""
    try:
        statements.decode()
    except UnicodeDecodeError:
        return False
    return True


def run(session: Connection[TupleRow], statements: bytes) -> None:
    """Run SQL in the caller's transaction, whatever bytes it holds. Raises psycopg errors."""
    with contextlib.nullcontext() if is_plain(statements) else bytes_as_they_are(session):
        session.execute(statements)


def rows_in(
    session: Connection[TupleRow], query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """All rows of a query, in whose texts such bytes may stand. Raises psycopg errors."""
    if session.info.parameter_status("server_encoding") != _NONE:
        return session.execute(query.encode(), parameters).fetchall()
    whole = ClientCursor(session).mogrify(query.encode(), parameters)
    with session.transaction(), bytes_as_they_are(session):
        rows = session.execute(bytes_of(whole)).fetchall()
    return [tuple(_decoded(value) for value in row) for row in rows]


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return text_of(value) if isinstance(value, bytes) else value


@contextlib.contextmanager
def bytes_as_they_are(*sessions: Connection[TupleRow]) -> Iterator[None]:
    """Let text of no encoding pass without a check, in the transactions that the sessions are in.

    Where something fails, the rollback takes the setting back.
    """
    for session in sessions:
        session.execute(f"SET LOCAL client_encoding = '{_NONE}'")
    yield
    for session in sessions:
        session.execute("SET LOCAL client_encoding = 'UTF8'")
