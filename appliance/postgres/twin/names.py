"""The databases of one twin: itself, the one built aside, the former one, and those of an hour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

NAME_BYTES = 63
"""What PostgreSQL keeps of a name; it cuts the rest off without a word, so we must not let it."""
_SUFFIX_BYTES = len("__next")
_DIGEST_BYTES = 8
_PARTS = ("next", "prev", "gone", "swap", "try", "files")


@dataclass(frozen=True)
class TwinNames:
    """Names of databases on the target server."""

    twin: str
    next: str
    """Built aside, verified, then renamed to ``twin``."""
    prev: str
    """The former twin, kept for an instant roll back."""
    gone: str
    """The twin before the former one, from the swap until it is dropped."""
    swap: str
    """Inside the swap's transaction only."""
    trial: str
    """For as long as it is tried which extensions the role may create."""
    files: str
    """Built for files alone, where there is no twin, and dropped when they are written."""


def twin_names(twin: str) -> TwinNames:
    """``shop`` gives ``shop__next`` and so on; a name too long for that is cut, with its digest."""
    base = twin
    if len(twin.encode()) > NAME_BYTES - _SUFFIX_BYTES:
        digest = hashlib.sha256(twin.encode()).hexdigest()[:_DIGEST_BYTES]
        kept = twin.encode()[: NAME_BYTES - _SUFFIX_BYTES - _DIGEST_BYTES - 1].decode(errors="ignore")
        base = f"{kept}_{digest}"
    return TwinNames(twin, *(f"{base}__{part}" for part in _PARTS))


def scratch_names(database: str, workflow: str) -> TwinNames:
    """Where a workflow builds for files alone: beside no twin, and apart from other workflows."""
    return twin_names(f"{database}-{workflow}")


def is_beside_a_twin(name: str) -> bool:
    """Whether a name is one that a run of another twin would take for its own, and drop."""
    return name.endswith(tuple(f"__{part}" for part in _PARTS))
