"""Releases that did not prove themselves: how often, why, and the journal of the last attempt.

``failures.json`` and ``failed-VERSION.journal`` (journald's JSON records) in the folder of the update's
state, which only root reads. A release that has failed twice does not come by itself again; by hand it is
tried at any time, and one that proves itself is forgotten here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, RootModel, ValidationError

from appliance.durable import write_file

ATTEMPTS_MAX = 2
JOURNALS_KEPT = 3
_FILE = "failures.json"
_JOURNAL = "failed-{}.journal"


class Failures(BaseModel):
    """One release's."""

    model_config = ConfigDict(frozen=True)

    times: int
    at: AwareDatetime
    why: str
    tried_at: AwareDatetime | None = None
    """Which attempt was counted last: one that is ended twice, since its process was killed, counts once."""


class _ByVersion(RootModel[dict[str, Failures]]):
    pass


def failures(state: Path) -> dict[str, Failures]:
    """All that have failed, by version. A file that cannot be read holds none back."""
    try:
        return _ByVersion.model_validate_json((state / _FILE).read_bytes()).root
    except (OSError, ValidationError):
        return {}


def note_failure(state: Path, version: str, why: str, tried_at: datetime) -> None:
    """One more, of the attempt that began then. Raises OSError."""
    known = failures(state)
    before = known.get(version)
    if before is not None and before.tried_at == tried_at:
        return
    times = before.times + 1 if before else 1
    failed = Failures(times=times, at=datetime.now(UTC), why=why[:2000], tried_at=tried_at)
    _keep(state, known | {version: failed})


def forget_failures(state: Path, version: str) -> None:
    """It has proven itself. Raises OSError."""
    known = failures(state)
    if known.pop(version, None):
        _keep(state, known)
        (state / _JOURNAL.format(version)).unlink(missing_ok=True)


def given_up(state: Path, version: str) -> str:
    """Why this release is not tried again by itself; empty where it is."""
    known = failures(state).get(version)
    if known is None or known.times < ATTEMPTS_MAX:
        return ""
    return (
        f"{version} was tried {known.times} times and did not prove to work, last on"
        f" {known.at:%Y-%m-%d %H:%M} UTC: {known.why}"
        f" It is tried again by hand alone: sudo appliance release apply {version}"
    )


def keep_journal(state: Path, version: str, records: str) -> None:
    """Keep what the services wrote while this release was tried, and that of few others. Raises OSError."""
    write_file(state / _JOURNAL.format(version), records, durable=False, mode=0o600)
    for older in kept_journals(state)[JOURNALS_KEPT:]:
        older.unlink(missing_ok=True)


def last_lines(command: Sequence[str], most: int) -> str:
    """The whole lines at the end of what a program writes, of which never more than twice ``most`` is held.

    A release that fails may have written more than this machine has memory, and is to be left all the same.
    Raises OSError.
    """
    kept, is_cut = bytearray(), False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:  # noqa: S603
        while running.stdout and (block := running.stdout.read(1 << 16)):
            kept += block
            if len(kept) > 2 * most:
                del kept[:-most]
                is_cut = True
    if is_cut or len(kept) > most:
        del kept[:-most]
        del kept[: kept.find(b"\n") + 1]
    return kept.decode(errors="replace")


def kept_journals(state: Path) -> list[Path]:
    """The journals that are kept, the newest first."""
    found = state.glob(_JOURNAL.format("*"))
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def version_of(journal: Path) -> str:
    """The release that a kept journal is of."""
    return journal.name.removeprefix("failed-").removesuffix(".journal")


def _keep(state: Path, known: dict[str, Failures]) -> None:
    write_file(state / _FILE, _ByVersion(known).model_dump_json(), durable=True, mode=0o644)
