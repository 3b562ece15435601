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
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from appliance.connections import Connection, select_connections
from appliance.erasure.databases import (
    InCopy,
    InSource,
    change,
    clean_up,
    count,
    refresh_views,
    too_many,
)
from appliance.erasure.files import count_in_files, is_rewritable, rewrite
from appliance.erasure.finding import FoundSubject, find_subject
from appliance.erasure.masked import Masked, masked_subject
from appliance.erasure.places import APPLICATION, Place, places_of, runs_under_way
from appliance.erasure.reach import Ways, ways
from appliance.errors import ApplianceError, RefusedError, WorkFailedError, WrongRequestError
from appliance.exports.stored import delete_export
from appliance.keys.keys import binding_value, load_or_create_key
from appliance.policy.policy import Policy
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan
from appliance.postgres.sessions.bindings import start_options
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.subjects.document import Subject
from appliance.subjects.erased import ERASED_KEY, erased_key
from appliance.subjects.records import (
    FOLDER,
    ErasureRecord,
    PlaceRecord,
    PlaceState,
    TableCount,
    list_records,
    write_record,
)
from appliance.subjects.walk import Walk, walk
from appliance.system.beneath import as_owner_of

Session = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class Appliance:
    """Where an appliance keeps what an erasure needs."""

    state_dir: Path
    exports_dir: Path
    connections: dict[str, Connection]
    policy: Policy


@dataclass
class Erasing:
    """One erasure of one subject. What was typed is in memory only."""

    appliance: Appliance
    name: str
    subject: Subject
    by: str
    typed: str = field(repr=False)
    asked_by: str = "local"
    reference: str | None = None

    @cached_property
    def walked(self) -> Walk:
        """The document, held against the source. Raises WrongRequestError with all that does not fit."""
        try:
            with closing(self._open(self.subject.source, {}, read_only=True)) as session:
                tables = read_catalog(session, lambda _: ()).tables
        except psycopg.Error as error:
            raise database_failure("The source's catalog could not be read.", error) from None
        walked = walk(self.subject, tables)
        if walked.problems:
            raise WrongRequestError(
                "\n".join(f"subjects.{self.name}: {problem}" for problem in walked.problems),
                "Nothing was looked for, and nothing was changed.",
                "Correct subjects.yaml, and run it again.",
            )
        return walked

    @cached_property
    def key(self) -> bytes:
        """The appliance's."""
        return load_or_create_key(self.appliance.state_dir / "keys" / "mask.key")

    @cached_property
    def key_name(self) -> str:
        """Under which the source's keys are derived."""
        (source,) = self._settings_of(self.subject.source)
        return source.mask_key or self.subject.source

    @cached_property
    def found(self) -> FoundSubject:
        """The subject in the source. Raises our errors."""
        digest_key = binding_value(erased_key(self.key, self.key_name), ERASED_KEY)
        return find_subject(self._open_source, self.walked, self.by, self.typed, digest_key)

    def former(self) -> ErasureRecord | None:
        """The record of an erasure of the same subject."""
        for record in reversed(list_records(self.appliance.state_dir)):
            same = any(record.digests.get(column) == digest for column, digest in self._identity().items())
            if record.subject == self.name and record.key_name == self.key_name and same:
                return record
        return None

    def _identity(self) -> dict[str, str]:
        key, digests = self.subject.key, self.found.digests
        return {key: digests[key]} if key in digests else digests

    def look(self) -> list[PlaceRecord]:
        """What is where. Changes nothing."""
        _ = self.found
        return [*(self._looked(place) for place in self._places()), self._source_looked()]

    def run(self, confirmed: list[PlaceRecord], tell: Callable[[str], None]) -> ErasureRecord:
        """Do it, everywhere that ``look`` has seen. What cannot be done now stays open in the record."""
        with _alone(self.appliance.state_dir):
            record = self._remembered()
            for place in self._places():
                record = self._noted(record, self._carried(place), tell)
            for run in runs_under_way(
                self.appliance.state_dir, self.key_name, set(self._identity().values())
            ):
                why = "it began before the erasure and is under way; run the command again when it has ended"
                record = self._noted(record, PlaceRecord(kind="twin", name=run, run=run, why=why), tell)
            record = self._noted(record, self._source_carried(record, confirmed), tell)
            if all(place.state != "open" for place in record.places):
                record = record.model_copy(update={"ended_at": datetime.now(UTC)})
            write_record(self.appliance.state_dir, record)
            return record

    def _remembered(self) -> ErasureRecord:
        """The record, on the disk before a row goes."""
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
        record = record.model_copy(
            update={"digests": {**self.found.digests, **record.digests}, "ended_at": None}
        )
        write_record(self.appliance.state_dir, record)
        return record

    def _noted(self, record: ErasureRecord, place: PlaceRecord, tell: Callable[[str], None]) -> ErasureRecord:
        """The record with what came of a place; what an earlier attempt removed there stays counted."""
        former = [each for each in record.places if (each.kind, each.name, each.run) == _key(place)]
        for each in former:
            if not place.tables and each.removed:
                place = place.model_copy(
                    update={
                        "tables": each.tables,
                        "state": "done" if place.state == "empty" else place.state,
                        "why": place.why or each.why,
                    }
                )
        # A run that has ended, a server that has come back: what was open under that name is not for ever.
        others = tuple(
            each
            for each in record.places
            if _key(each) != _key(place) and not (each.state == "open" and each.name == place.name)
        )
        if place.run is not None:
            others = tuple(each for each in others if not (each.state == "open" and each.name == place.run))
        record = record.model_copy(update={"places": (*others, place)})
        write_record(self.appliance.state_dir, record)
        tell(described(place))
        return record

    def _places(self) -> list[Place]:
        appliance = self.appliance
        return places_of(appliance.state_dir, appliance.exports_dir, appliance.connections, self.key_name)

    def _looked(self, place: Place) -> PlaceRecord:
        return self._at(place, lambda session, there: count(session, there.changes()), act=False)

    def _carried(self, place: Place) -> PlaceRecord:
        def remove(session: Session, there: InCopy) -> list[TableCount]:
            with session.transaction():
                counts = change(session, there.changes(), self.subject.max_rows, place.name)
                if any(each.before > each.after for each in counts):
                    refresh_views(session)
            clean_up(session, self.walked, counts)
            return counts

        return self._at(place, remove, act=True)

    def _at(
        self, place: Place, work: Callable[[Session, InCopy], list[TableCount]], *, act: bool
    ) -> PlaceRecord:
        """A place's record after ``work``; what goes wrong there leaves it open and does not end the rest."""
        record = PlaceRecord(kind=place.kind, name=place.name, run=place.run)
        if place.export is not None and place.plan is None:
            return self._files_without_plan(place, record, act=act)
        if place.why_not or place.plan is None:
            return record.model_copy(update={"why": place.why_not})
        try:
            reached, masked = self._masked(place.plan)
            if place.export is not None:
                return self._files(place, record, reached, masked, act=act)
            there = InCopy(self.walked, reached, masked)
            opened = self._open(place.connection, there.settings, database=place.database, read_only=False)
            with closing(opened) as session:
                there.prepare(session)
                counts = work(session, there)
        except ApplianceError as error:
            return record.model_copy(update={"why": error.explanation.line()})
        except psycopg.Error as error:
            why = database_failure(f"{place.name} could not be worked on.", error).explanation.line()
            return record.model_copy(update={"why": why})
        return _outcome(record, counts, reached, acted=act)

    def _masked(self, plan: Plan) -> tuple[Ways, Masked]:
        reached = ways(self.walked, plan, list(self.found.values))
        key = self.key
        return reached, masked_subject(self._open_source, key, plan, self.walked, self.found, reached)

    def _files(
        self, place: Place, record: PlaceRecord, reached: Ways, masked: Masked, *, act: bool
    ) -> PlaceRecord:
        export = place.export
        assert export is not None  # noqa: S101
        counts = count_in_files(export, self.walked, reached, masked)
        rewritable = is_rewritable(export.manifest) and not reached.lost
        if not counts and rewritable:
            return _outcome(record, counts, reached, acted=act)
        how = "rewritten without these rows"
        if not rewritable or self.subject.files == "delete":
            how = "deleted as a whole"
            if not rewritable and not counts:
                how += ": in its formats nobody can look for rows"
        if not act:
            return _outcome(record, counts, reached, acted=False).model_copy(
                update={"state": "open", "why": f"is to be {how}"}
            )
        if how.startswith("deleted"):
            delete_export(
                self.appliance.exports_dir, export, by="operator", why="A subject in it was erased."
            )
        else:
            rewrite(self.appliance.exports_dir, export, self.walked, reached, masked)
        done = tuple(each.model_copy(update={"after": 0}) for each in counts)
        return record.model_copy(update={"state": "done", "why": f"was {how}", "tables": done})

    def _files_without_plan(self, place: Place, record: PlaceRecord, *, act: bool) -> PlaceRecord:
        if self.subject.files != "delete" or place.export is None:
            why = f"{place.why_not}; delete it: appliance exports rm {place.run}"
            return record.model_copy(update={"why": why})
        if not act:
            return record.model_copy(update={"why": "is to be deleted as a whole"})
        delete_export(self.appliance.exports_dir, place.export, by="operator", why="A subject may be in it.")
        return record.model_copy(update={"state": "done", "why": "was deleted as a whole"})

    def _source_looked(self) -> PlaceRecord:
        record = PlaceRecord(kind="source", name=self.subject.source)
        there = InSource(self.walked, self.found)
        try:
            with closing(self._open_source(there.settings)) as session:
                counts = count(session, there.changes())
        except psycopg.Error as error:
            raise database_failure("The source's rows could not be counted.", error) from None
        if not counts:
            return record.model_copy(update={"state": "empty"})
        why = "" if self.subject.writes_with else _OTHERS
        return record.model_copy(update={"tables": tuple(counts), "why": why})

    def _source_carried(self, so_far: ErasureRecord, confirmed: list[PlaceRecord]) -> PlaceRecord:
        looked = self._source_looked()
        if looked.state == "empty" and not any(rows.do == "keep" for rows in self.subject.rows.values()):
            return looked
        kept = "; ".join(
            f"{table} is kept: {rows.because}"
            for table, rows in self.subject.rows.items()
            if rows.do == "keep"
        )
        if looked.state == "empty":
            return looked.model_copy(update={"why": kept})
        if self.subject.writes_with is None:
            return looked.model_copy(update={"state": "left to others", "why": _OTHERS})
        if any(place.state == "open" for place in so_far.places):
            return looked.model_copy(update={"why": "waits until no copy is open: its rows lead to theirs"})
        try:
            return self._source_changed(looked, confirmed, kept)
        except ApplianceError as error:
            return looked.model_copy(update={"why": error.explanation.line()})

    def _source_changed(self, looked: PlaceRecord, confirmed: list[PlaceRecord], kept: str) -> PlaceRecord:
        writer = self.subject.writes_with or ""
        allowed = self.appliance.policy.write
        if allowed is not None and writer not in allowed:
            raise RefusedError(
                f"The connection `{writer}` may not be written to (policy rule write).",
                "The policy of this appliance belongs to its owner.",
                "Ask the owner of policy.yaml.",
                rule="write",
            )
        total = sum(each.before for each in looked.tables)
        if total > self.subject.max_rows:
            raise too_many(self.subject.source, total, self.subject.max_rows)
        if [each.tables for each in confirmed if each.kind == "source"] != [looked.tables]:
            raise WorkFailedError(
                "The source's rows are not those that were counted before.",
                "Somebody has written to them since; nothing was changed in the source.",
                "Run the same command again, and look at the counts.",
            )
        there = InSource(self.walked, self.found)
        try:
            with (
                closing(self._open(writer, there.settings, read_only=False)) as session,
                session.transaction(),
            ):
                counts = change(session, there.changes(), total, self.subject.source)
        except psycopg.Error as error:
            raise database_failure("The source could not be written to.", error) from None
        left = sum(each.after for each in counts)
        return looked.model_copy(
            update={"tables": tuple(counts), "state": "open" if left else "done", "why": kept}
        )

    def _open_source(self, settings: Mapping[str, str]) -> Session:
        return self._open(self.subject.source, settings, read_only=True)

    def _settings_of(self, name: str) -> tuple[Connection]:
        return (select_connections(self.appliance.connections, [name])[name],)

    def _open(
        self, name: str, settings: Mapping[str, str], *, read_only: bool, database: str | None = None
    ) -> Session:
        (connection,) = self._settings_of(name)
        return open_session(
            name,
            libpq_parameters(connection, database),
            application_name=APPLICATION,
            read_only=read_only,
            lock_timeout_s=30,
            options=start_options(settings),
        )


_OTHERS = "no connection may write to it (writes_with): appliance erasure sql prints what to run"


def _key(place: PlaceRecord) -> tuple[str, str, str | None]:
    return place.kind, place.name, place.run


def _outcome(record: PlaceRecord, counts: list[TableCount], reached: Ways, *, acted: bool) -> PlaceRecord:
    state: PlaceState = "empty"
    if counts:
        state = "done" if acted and not any(each.after for each in counts) else "open"
    if reached.lost:
        state = "open"
    why = "; ".join(reached.lost.values())
    return record.model_copy(update={"state": state, "why": why, "tables": tuple(counts)})


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
