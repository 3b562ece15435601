"""What the ``schema`` step leaves for ``finish``, and that for ``verify``, in the run's folder."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from appliance.postgres.building.late_checks import LateCheck
from appliance.postgres.building.sequences import SequenceValue
from appliance.postgres.source.archive_contents import Entry


class TwinSchema(BaseModel):
    """One target's schema. It holds definitions (defaults, function bodies), never a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: tuple[Entry, ...]
    """All that the twin gets, in an order that can be loaded."""
    sequences: tuple[SequenceValue, ...] = ()
    filled_views: tuple[tuple[str, str], ...] = ()
    """Materialised views (schema, name) that hold rows in the source."""
    index_bytes: dict[int, int] = {}
    """What each index takes in the source, by the ``oid`` of the entry that makes it: index or constraint."""
    checks: tuple[LateCheck, ...] = ()
    """The CHECK constraints that tables get after the rows."""


class FinishedTwin(BaseModel):
    """What ``finish`` leaves for ``verify``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unchecked: tuple[str, ...] = ()
    """Foreign keys and checks, as ``table name``, that hold for new rows only, as ``finish`` has said."""
