"""Has psycopg use the system's libpq, where there is one: 4 MB less than with the one that it brings.

What psycopg brings has an OpenSSL of its own, beside the one that Python itself has loaded. The system's
libpq shares Python's. psycopg reaches it through ctypes, which is slower and here makes no difference.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os

_CHOICE = "PSYCOPG_IMPL"


def prefer() -> None:
    """Choose it for this process, before psycopg is imported. Without one, nothing changes."""
    if _CHOICE in os.environ:
        return
    try:
        # A library calls back through code that ctypes makes, which a host may forbid.
        ctypes.CFUNCTYPE(None)(_nothing)
        found = ctypes.util.find_library("pq")
        if found:
            ctypes.CDLL(found)
            os.environ[_CHOICE] = "python"
    except (OSError, MemoryError):
        return


def _nothing() -> None:
    pass
