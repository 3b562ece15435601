"""What the ``schema`` step leaves for ``finish``: one twin's entries, and where the sequences stood."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from appliance.postgres.archive_contents import Entry
from appliance.postgres.sequences import SequenceValue


class TwinSchema(BaseModel):
    """One target's schema. It holds definitions (defaults, function bodies), never a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: tuple[Entry, ...]
    """All that the twin gets, in an order that can be loaded."""
    sequences: tuple[SequenceValue, ...] = ()
    filled_views: tuple[tuple[str, str], ...] = ()
    """Materialised views (schema, name) that hold rows in the source."""


def schema_file(run_dir: Path, target: int) -> Path:
    """Where the schema of the plan's target ``target`` is kept."""
    return run_dir / "schema" / f"{target}.json"
