"""The exports on this machine, in numbers and the newest by name.

Where the status service has a user of its own it may not look into them: appliance-upkeep does, and writes
this down for it.
"""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.durable import write_file
from appliance.errors import ApplianceError
from appliance.exports.stored import list_exports
from appliance.settings.settings import Settings

NOTE = "exports-note.json"
"""In the runtime folder."""
FRESH_S = 300.0
_NEWEST = 10


class ExportLine(BaseModel):
    """One export."""

    model_config = ConfigDict(frozen=True)

    workflow: str
    run: str
    created_at: datetime
    rows: int
    bytes: int


class ExportsShown(BaseModel):
    """How many exports there are, how large all are, and the newest of them."""

    model_config = ConfigDict(frozen=True)

    count: int
    bytes: int
    newest: tuple[ExportLine, ...]


def look(exports_dir: Path) -> ExportsShown:
    """Read every manifest. Raises ApplianceError and OSError."""
    found = [each.manifest for each in list_exports(exports_dir)]
    newest = tuple(
        ExportLine(
            workflow=each.workflow, run=each.run, created_at=each.created_at, rows=each.rows, bytes=each.bytes
        )
        for each in found[:_NEWEST]
    )
    return ExportsShown(count=len(found), bytes=sum(each.bytes for each in found), newest=newest)


def write_exports_note(settings: Settings) -> None:
    """Write down what there is. Raises ApplianceError and OSError."""
    shown = look(settings.exports_dir)
    write_file(settings.runtime_dir / NOTE, shown.model_dump_json(), durable=False, mode=0o640)


def exports_shown(settings: Settings) -> ExportsShown | None:
    """What there is; None where that is not known."""
    if not settings.is_split:
        with contextlib.suppress(ApplianceError, OSError):
            return look(settings.exports_dir)
        return None
    path = settings.runtime_dir / NOTE
    with contextlib.suppress(OSError, ValidationError):
        if time.time() - path.stat().st_mtime < FRESH_S:
            return ExportsShown.model_validate_json(path.read_bytes())
    return None
