"""Deletes exports and receipts that are older than the settings allow. Run by appliance-cleanup.timer.

Every deletion is recorded beside what is left (``deletions.jsonl``) before it happens: a record of something
that is still there is put right by the next pass, a deletion without a record by nothing. The record is what
counts; the event that records it may be lost where the database is away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psycopg

from appliance.contract.events import Noticed
from appliance.durable import append_line
from appliance.errors import ApplianceError, ExitCode
from appliance.exports.stored import DELETIONS, delete_export, list_exports, remove_leftovers
from appliance.receipts.head import FILE, HEAD, PUBLIC_KEY
from appliance.settings.settings import Settings, load_settings
from appliance.store import outbox
from appliance.store.database import connect
from appliance.system.beneath import as_owner_of

DAY_S = 86_400


@dataclass(frozen=True)
class Expired:
    """One thing that was deleted. ``kind`` is the event's."""

    kind: Literal["export_deleted", "receipt_deleted"]
    name: str
    bytes: int


def expire_exports(folder: Path, max_days: int | None) -> Iterator[Expired]:
    """Delete whole exports older than that, and what killed runs left of theirs. Raises WorkFailedError."""
    remove_leftovers(folder)
    if max_days is None:
        return
    for export in list_exports(folder):
        if export.age_s > max_days * DAY_S:
            why = f"It is older than {max_days} days (exports.max_days)."
            gone = delete_export(folder, export, by="retention", why=why)
            yield Expired("export_deleted", f"{gone.workflow}/{gone.run}", gone.bytes)


def expire_receipts(folder: Path, max_days: int | None, now: float) -> Iterator[Expired]:
    """Delete receipts older than that, by when they were written; links are passed over. Raises OSError.

    The newest stays whatever its age: the next one has its digest.
    """
    if max_days is None:
        return
    numbered = [path.name for path in folder.glob("*.json") if FILE.fullmatch(path.name)]
    stays = {HEAD, PUBLIC_KEY, DELETIONS, max(numbered, default="")}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or name in stays or path.is_symlink() or not path.is_file():
            continue
        written = path.stat().st_mtime
        if now - written <= max_days * DAY_S:
            continue
        content = path.read_bytes()
        record = {
            "deleted_at": datetime.now(UTC).isoformat(),
            "by": "retention",
            "why": f"It is older than {max_days} days (receipts.max_days).",
            "receipt": name,
            "written_at": datetime.fromtimestamp(written, UTC).isoformat(),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        append_line(folder / DELETIONS, json.dumps(record), durable=True, mode=0o600)
        path.unlink()
        yield Expired("receipt_deleted", name, len(content))


def main() -> int:
    """Delete what has expired, and say what. Exit status 1 when something could not be deleted."""
    try:
        settings = load_settings()
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    with as_owner_of(settings.state_dir):
        return _expire(settings)


def _expire(settings: Settings) -> int:
    failed = False
    passes = (
        expire_exports(settings.exports_dir, settings.exports.max_days),
        expire_receipts(settings.receipts_dir, settings.receipts.max_days, time.time()),
    )
    for expired in passes:
        try:
            for each in expired:
                print(f"Deleted {each.name} ({each.bytes} bytes): it had expired.")  # noqa: T201 - the journal
                _tell(settings, each)
        except (ApplianceError, OSError) as error:
            failed = True
            line = (
                error.text() if isinstance(error, ApplianceError) else f"{error.strerror}: {error.filename}"
            )
            sys.stderr.write(line + "\n")
    return ExitCode.WORK_FAILED if failed else ExitCode.DONE


def _tell(settings: Settings, expired: Expired) -> None:
    with contextlib.suppress(psycopg.Error), connect(settings.database_url) as db:
        outbox.notice(db, Noticed(kind=expired.kind, amount=expired.bytes))


if __name__ == "__main__":
    sys.exit(main())
