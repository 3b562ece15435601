"""What has been said to whom: each thing once, again after a while, and once that it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.durable import write_file
from appliance.settings.notify import Address
from appliance.status.notifications.condition import Condition, Conditions

_FIRST_PAUSE_S = 30.0
_LONGEST_PAUSE_S = 1_800.0
_GIVEN_UP_AFTER = timedelta(days=7)


class Entry(BaseModel):
    """One condition, as one address knows it."""

    model_config = ConfigDict(frozen=True)

    kind: str
    mark: str
    over: str
    workflow: str | None = None
    appliance: str | None = None
    told_at: AwareDatetime | None = None
    """None while it could not be sent yet."""
    was_told: bool = False
    """Whether the address has heard of it before it became what it is now."""
    message_id: str = Field(default_factory=lambda: uuid4().hex)
    """The same for every try of one message: a receiver that got two takes one."""
    tries: int = 0
    next_try: AwareDatetime | None = None
    first_try: AwareDatetime | None = None


class _File(BaseModel):
    entries: dict[str, dict[str, Entry]] = {}


@dataclass(frozen=True)
class Due:
    """A message that is to be sent now: of a condition, or that one is over."""

    address: Address
    key: str
    entry: Entry
    condition: Condition | None


class Ledger:
    """The entries, kept in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = _read(path)

    def due(
        self, addresses: Sequence[Address], found: Conditions, now: datetime, repeat: timedelta
    ) -> Iterator[Due]:
        """What is to be sent now, one after the other; ``sent`` or ``failed`` is called for each."""
        for address in addresses:
            known = self._entries.setdefault(address.name, {})
            wanted = {each.key: each for each in found.present if each.kind in address.events}
            for key, condition in wanted.items():
                entry = known.get(key)
                fresh = Entry(
                    kind=condition.kind,
                    mark=condition.mark,
                    over=condition.over,
                    workflow=condition.workflow,
                    appliance=condition.appliance,
                    was_told=entry is not None and (entry.was_told or entry.told_at is not None),
                )
                if entry is None or entry.mark != condition.mark or _is_old(entry, now, repeat):
                    entry = fresh
                elif entry.told_at is not None:
                    continue
                known[key] = entry
                if _may_try(entry, now):
                    yield Due(address, key, entry, condition)
            for key in [
                key for key, entry in known.items() if key not in wanted and entry.kind in found.known
            ]:
                entry = known[key]
                if entry.told_at is None and not entry.was_told:
                    del known[key]
                elif _may_try(entry, now):
                    yield Due(address, key, entry, None)

    def sent(self, due: Due, now: datetime) -> None:
        """It has arrived."""
        known = self._entries[due.address.name]
        if due.condition is None:
            known.pop(due.key, None)
        else:
            changes = {"told_at": now, "tries": 0, "next_try": None, "first_try": None}
            known[due.key] = due.entry.model_copy(update={**changes, "message_id": uuid4().hex})
        self._write()

    def failed(self, due: Due, now: datetime) -> None:
        """It has not; it is tried again, ever later, and given up after a week."""
        known, entry = self._entries[due.address.name], due.entry
        first = entry.first_try or now
        if now - first > _GIVEN_UP_AFTER and due.condition is None:
            known.pop(due.key, None)
        else:
            pause = min(_FIRST_PAUSE_S * 2**entry.tries, _LONGEST_PAUSE_S)
            again = {"tries": min(entry.tries + 1, 20), "next_try": now + timedelta(seconds=pause)}
            known[due.key] = entry.model_copy(update={**again, "first_try": first})
        self._write()

    def _write(self) -> None:
        text = _File(entries=self._entries).model_dump_json()
        write_file(self._path, text, durable=False, mode=0o600)


def _is_old(entry: Entry, now: datetime, repeat: timedelta) -> bool:
    return entry.told_at is not None and now - entry.told_at >= repeat


def _may_try(entry: Entry, now: datetime) -> bool:
    return entry.next_try is None or entry.next_try <= now


def _read(path: Path) -> dict[str, dict[str, Entry]]:
    try:
        return _File.model_validate_json(path.read_bytes()).entries
    except (OSError, ValidationError):
        return {}
