"""An erasure, from the subject that was typed to the last of its rows: looked at first, then done.

The subject is remembered before the first row goes: from then on no run brings it back. Copies come before
the source, since the source's rows say where the copies' rows are. Each place is one transaction and is
written to the record when it is done: killed in between, it starts again and meets nothing twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.erasure.at_source import AtSource
from appliance.erasure.copies.at_copies import InCopies
from appliance.erasure.copies.files import finish_rewrites
from appliance.erasure.places import Place, places_of, runs_under_way
from appliance.erasure.receipt import sign_erasure
from appliance.erasure.request import Request
from appliance.errors import WorkFailedError
from appliance.subjects.records import (
    FOLDER,
    ErasureRecord,
    PlaceRecord,
    write_record,
)
from appliance.system.beneath import as_owner_of

_BEGUN = "it is being worked on"
"""Of a place in the record whose end is not noted yet."""


@dataclass
class Erasing(Request):
    """One erasure: looked at, and done."""

    def look(self) -> list[PlaceRecord]:
        """What is where. Changes nothing."""
        _ = self.found
        return [*(InCopies(self).looked(place) for place in self._places()), AtSource(self).looked()]

    def run(self, confirmed: list[PlaceRecord], tell: Callable[[str], None]) -> ErasureRecord:
        """Do it, everywhere that ``look`` has seen. What cannot be done now stays open in the record."""
        with _alone(self.appliance.state_dir):
            record = self._remembered(confirmed)
            finish_rewrites(self.appliance.exports_dir)
            for place in self._in_order():
                record = self._noted(record, InCopies(self).cleared(place), tell)
            for run in runs_under_way(self.appliance.state_dir, self.key_name, set(self.identity().values())):
                why = "it began before the erasure and is under way; run the command again when it has ended"
                record = self._noted(record, PlaceRecord(kind="twin", name=run, run=run, why=why), tell)
            record = self._noted(record, AtSource(self).cleared(record, confirmed), tell)
            # What is not there any more needs no end.
            there = tuple(place for place in record.places if place.why != _BEGUN)
            record = record.model_copy(update={"places": there})
            if all(place.state != "open" for place in record.places):
                record = record.model_copy(update={"ended_at": datetime.now(UTC)})
            # Without a receipt it stays open, and is signed by the next pass.
            known = self.appliance.connections.values()
            number, signed = sign_erasure(self.appliance.state_dir, record, known)
            write_record(self.appliance.state_dir, record)
            tell(f"receipt {number}: SHA-256 {signed.digest}")
            return record

    def _remembered(self, confirmed: list[PlaceRecord]) -> ErasureRecord:
        """The record, on the disk before a row goes, with what is about to go.

        Killed between a place's end and its note, the next pass finds no row there, and still knows how many.
        """
        former = self.former()
        now = datetime.now(UTC)
        record = former or ErasureRecord(
            id=f"{self.name.replace('_', '-')}-{now:%Y%m%dt%H%M%Sz}-{secrets.token_hex(2)}",
            subject=self.name,
            source=self.subject.source,
            key_name=self.key_name,
            reference=self.reference,
            asked_by=self.asked_by,
            begun_at=now,
            found_by=self.by,
            digests=self.found.digests,
        )
        done = tuple(place for place in record.places if place.state != "open")
        noted = {_key(place) for place in done}
        begun = {
            _key(place): place.model_copy(update={"why": _BEGUN})
            for place in (*record.places, *confirmed)
            if place.state == "open" and place.tables and place.kind != "source" and _key(place) not in noted
        }
        record = record.model_copy(
            update={
                "digests": {**self.found.digests, **record.digests},
                # The request that this pass answers, where it has a number.
                "reference": self.reference or record.reference,
                "user": self.user,
                "asked_by": self.asked_by if self.reference else record.asked_by,
                "ended_at": None,
                # What was open is tried again now, where it is still there.
                "places": (*done, *begun.values()),
            }
        )
        write_record(self.appliance.state_dir, record)
        return record

    def _noted(self, record: ErasureRecord, place: PlaceRecord, tell: Callable[[str], None]) -> ErasureRecord:
        """The record with what came of a place; what an earlier attempt removed there stays counted."""
        former = [each for each in record.places if (each.kind, each.name, each.run) == _key(place)]
        for each in former:
            if place.state == "empty" and not place.tables and each.why == _BEGUN:
                gone = tuple(count.model_copy(update={"after": 0}) for count in each.tables)
                why = "the rows went in a pass that was cut off"
                place = place.model_copy(update={"tables": gone, "state": "done", "why": why})
            elif not place.tables and each.removed:
                place = place.model_copy(
                    update={
                        "tables": each.tables,
                        "state": "done" if place.state == "empty" else place.state,
                        "why": place.why or each.why,
                    }
                )
        others = tuple(each for each in record.places if _key(each) != _key(place))
        record = record.model_copy(update={"places": (*others, place)})
        write_record(self.appliance.state_dir, record)
        tell(described(place))
        return record

    def _in_order(self) -> Iterator[Place]:
        """Branches last: what one is a copy of, that is made or reset meanwhile, is cleared first."""
        seen = set()
        for place in self._places():
            if place.kind != "branch":
                seen.add((place.kind, place.name, place.run))
                yield place
        for place in self._places(settled=True):
            if (place.kind, place.name, place.run) not in seen:
                yield place

    def _places(self, *, settled: bool = False) -> list[Place]:
        it = self.appliance
        return places_of(
            it.state_dir, it.exports_dir, it.connections, it.policy, self.key_name, settled=settled
        )


def _key(place: PlaceRecord) -> tuple[str, str, str | None]:
    return place.kind, place.name, place.run


def described(place: PlaceRecord) -> str:
    """A place for a person: names and numbers."""
    counts = ", ".join(
        f"{each.table} {each.before:,}" + ("" if each.after == each.before else f" → {each.after:,}")
        for each in place.tables
    )
    return ": ".join(part for part in (f"{place.kind} {place.name}", place.state, counts, place.why) if part)


@contextlib.contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """One erasure at a time."""
    folder = state_dir / FOLDER
    with as_owner_of(state_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise WorkFailedError(
            "Another erasure is under way on this appliance.", "", "Run it again when that has ended."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
