"""One image build at a time, for anyone who builds on this machine.

The engine of Debian 12 (Docker 20.10) ends with ``panic: failed to get edge`` now and then when builds that
share stages run side by side, and every container on the machine ends with it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_build() -> Iterator[None]:
    """Wait until this user builds nothing else, and keep the turn while the block runs."""
    with (Path(tempfile.gettempdir()) / f"appliance-build-{os.getuid()}.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
