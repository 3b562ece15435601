"""A row message of libpq without the copy of it that psycopg makes: rows may have hundreds of megabytes.

``PQgetCopyData`` gives a block of memory of its own, beside libpq's buffer. psycopg copies that again
before it frees it, so that a row would take three times its size. psycopg says where its connection is; the
library that made it is found among those this process has loaded.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from psycopg import pq

from appliance.system import proc


def long_row(connection: pq.abc.PGconn) -> tuple[int, AbstractContextManager[memoryview] | None]:
    """As ``get_copy_data``: the next row's length and the row, in place, if all of it has come.

    0 where it has not, or where nothing is known of libpq; -1 at the end, -2 for an error.
    """
    library = _libpq()
    where: int | None = getattr(connection, "pgconn_ptr", None)
    if library is None or where is None:
        return 0, None
    block = ctypes.c_void_p()
    length = library.PQgetCopyData(ctypes.c_void_p(where), ctypes.byref(block), 1)
    return length, _freed(library, block, length) if length > 0 else None


@contextmanager
def _freed(library: ctypes.CDLL, block: ctypes.c_void_p, length: int) -> Iterator[memoryview]:
    assert block.value is not None  # noqa: S101
    try:
        yield memoryview((ctypes.c_char * length).from_address(block.value)).cast("B")
    finally:
        library.PQfreemem(block)


@cache
def _libpq() -> ctypes.CDLL | None:
    """The libpq that psycopg has loaded; None where there is none, or more than one."""
    lines = proc.read("self/maps").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if "/libpq" in line}
    if len(paths) != 1:
        return None
    try:
        library = ctypes.CDLL(paths.pop())
        library.PQgetCopyData.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
        library.PQgetCopyData.restype = ctypes.c_int
        library.PQfreemem.argtypes = [ctypes.c_void_p]
        library.PQfreemem.restype = None
    except (OSError, AttributeError):
        return None
    return library
