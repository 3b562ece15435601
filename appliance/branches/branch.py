"""What a branch is: the comment on its database, by which it is known again, and its name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.errors import WrongRequestError
from appliance.postgres.twin.database import DatabaseFacts
from appliance.postgres.twin.names import branch_prefix

NAME_LONGEST = 100
"""Characters of a branch's name, as a person gives it: that of a git branch, most often."""
_SAFE_LONGEST = 30
_DIGEST = 6
_UNSAFE = re.compile(r"[^a-z0-9]+")

TemplateKind = Literal["golden", "twin", "former"]


class BranchMarker(BaseModel):
    """The comment on a branch's database, as JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    appliance: Literal["branch"] = "branch"
    name: str
    """As it was asked for."""
    twin: str
    workflow: str
    run: str
    """Of which run the rows are."""
    copy_of: TemplateKind
    role: str | None = None
    """The only role, beside the owner, that may open it; None for those that may open the twin."""
    made_at: datetime
    ends_at: datetime
    state: Literal["making", "ready"]


@dataclass(frozen=True)
class Branch:
    """One branch on a target server."""

    database: DatabaseFacts
    marker: BranchMarker
    bytes: int

    def is_over(self, now: datetime) -> bool:
        """Whether its time has come."""
        return self.marker.ends_at <= now


def marker_of(database: DatabaseFacts) -> BranchMarker | None:
    """What the comment says, where it is a branch's."""
    try:
        return BranchMarker.model_validate_json(database.comment or "")
    except ValidationError:
        return None


def branches_begin_with(twin: str) -> str:
    """What the databases of a twin's branches begin with."""
    return branch_prefix(twin, _SAFE_LONGEST)


def branch_database(twin: str, name: str) -> str:
    """The database of a branch. Names that differ have databases that differ.

    Raises WrongRequestError for a name that is empty, too long, or not printable.
    """
    if not name.strip() or len(name) > NAME_LONGEST or not name.isprintable():
        raise WrongRequestError(
            "That is no name for a branch.",
            f"It has 1 to {NAME_LONGEST} printable characters, as in feature/pay-123.",
        )
    plain = unicodedata.normalize("NFKD", name).encode("ascii", errors="ignore").decode().lower()
    safe = _UNSAFE.sub("_", plain).strip("_")[:_SAFE_LONGEST].strip("_")
    if safe != name:
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
        safe = f"{safe[: _SAFE_LONGEST - _DIGEST - 1].rstrip('_')}_{digest}".lstrip("_")
    return branches_begin_with(twin) + safe
