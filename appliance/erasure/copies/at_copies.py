"""What an erasure does in a copy: counts the subject's rows, or removes them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg

from appliance.copies.ledger import made, note_ended
from appliance.erasure.copies.databases import (
    InCopy,
    change,
    clean_up,
    count,
    refresh_views,
)
from appliance.erasure.copies.files import count_in_files, is_rewritable, rewrite
from appliance.erasure.copies.in_buckets import delete_in_bucket, is_in_bucket
from appliance.erasure.masked import Masked, masked_subject
from appliance.erasure.places import Place, Session, leaves_out
from appliance.erasure.reach import Ways, ways
from appliance.erasure.request import Request
from appliance.errors import ApplianceError, WrongRequestError
from appliance.exports.stored import delete_export
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan
from appliance.run_folder import run_folder
from appliance.steps.records.run_files import SPEC
from appliance.subjects.records import (
    PlaceRecord,
    PlaceState,
    TableCount,
)

_FETCHED = (
    "is with the person who fetched it, and cannot be reached from here; ask for it to be deleted, then:"
    " appliance copies gone"
)


class InCopies:
    """The copies of one source."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def looked(self, place: Place) -> PlaceRecord:
        """What is there. Changes nothing."""
        return self._at(place, lambda session, there: count(session, there.changes()), act=False)

    def cleared(self, place: Place) -> PlaceRecord:
        """What came of removing it. A place that does not answer is open in what is returned."""

        def remove(session: Session, there: InCopy) -> list[TableCount]:
            with session.transaction():
                counts = change(session, there.changes(), self._request.subject.max_rows, place.name)
                if any(each.before > each.after for each in counts):
                    refresh_views(session)
            clean_up(session, self._request.walked, counts)
            return counts

        return self._at(place, remove, act=True)

    def _at(
        self, place: Place, work: Callable[[Session, InCopy], list[TableCount]], *, act: bool
    ) -> PlaceRecord:
        """A place's record after ``work``; what goes wrong there leaves it open and does not end the rest."""
        record = PlaceRecord(kind=place.kind, name=place.name, run=place.run)
        whole = self._as_a_whole(place, record, act=act)
        if whole is not None:
            return whole
        if place.why_not or place.plan is None:
            return record.model_copy(update={"why": place.why_not})
        try:
            reached, masked = self._masked(place, place.plan)
            if place.export is not None:
                return self._files(place, record, reached, masked, act=act)
            there = InCopy(self._request.walked, reached, masked)
            opened = self._request.open(
                place.connection, there.settings, database=place.database, read_only=False
            )
            with closing(opened) as session:
                there.prepare(session)
                counts = work(session, there)
        except ApplianceError as error:
            return record.model_copy(update={"why": error.explanation.line()})
        except psycopg.Error as error:
            why = database_failure(f"{place.name} could not be worked on.", error).explanation.line()
            return record.model_copy(update={"why": why})
        return _outcome(record, counts, reached, acted=act)

    def _masked(self, place: Place, plan: Plan) -> tuple[Ways, Masked]:
        reached = ways(self._request.walked, plan, list(self._request.found.values))
        key = self._request.key
        masked = masked_subject(
            self._request.open_source, key, plan, self._request.walked, self._request.found, reached
        )
        unknown = [table for table, keys in masked.keys.items() if not keys]
        if unknown and not self._request.found.in_source and not self._is_free(place):
            for table in unknown:
                reached.lost[table] = (
                    f"{table}: its rows are found by those of the source, which has none of the subject any"
                    " more; a new run is without them"
                )
        return reached, masked

    def _is_free(self, place: Place) -> bool:
        """Whether its run left the subject out, or an earlier pass has cleared it."""
        former = self._request.former()
        if former is not None and any(
            (each.kind, each.name, each.run) == (place.kind, place.name, place.run) and each.state != "open"
            for each in former.places
        ):
            return True
        run = place.export.of_run if place.export is not None else place.run or ""
        try:
            spec = SPEC.read(run_folder(self._request.appliance.state_dir, run))
        except WrongRequestError:
            return False
        return leaves_out(spec, set(self._request.identity().values()))

    def _files(
        self, place: Place, record: PlaceRecord, reached: Ways, masked: Masked, *, act: bool
    ) -> PlaceRecord:
        export = place.export
        assert export is not None  # noqa: S101
        counts = count_in_files(export, self._request.walked, reached, masked)
        rewritable = is_rewritable(export.manifest) and not reached.lost
        if not counts and rewritable:
            return _outcome(record, counts, reached, acted=act)
        how = "rewritten without these rows"
        if not rewritable or self._request.subject.files == "delete":
            how = "deleted as a whole"
            if not rewritable and not counts:
                how += ": its formats cannot be searched for rows"
        if not act:
            return _outcome(record, counts, reached, acted=False).model_copy(
                update={"state": "open", "why": f"is to be {how}"}
            )
        if how.startswith("deleted"):
            delete_export(
                self._request.appliance.exports_dir, export, by="operator", why="A subject in it was erased."
            )
        else:
            rewrite(self._request.appliance.exports_dir, export, self._request.walked, reached, masked)
        done = tuple(each.model_copy(update={"after": 0}) for each in counts)
        return record.model_copy(update={"state": "done", "why": f"was {how}", "tables": done})

    def _as_a_whole(self, place: Place, record: PlaceRecord, *, act: bool) -> PlaceRecord | None:
        """Of what cannot be looked into; None for any other place."""
        if place.kind == "bucket":
            return self._bucket(place, record, act=act)
        if place.kind == "pull":
            return record.model_copy(update={"state": "left to others", "why": _FETCHED})
        if place.export is not None and place.plan is None:
            return self._files_without_plan(place, record, act=act)
        return None

    def _bucket(self, place: Place, record: PlaceRecord, *, act: bool) -> PlaceRecord:
        """A delivery in a bucket is not looked into: it is deleted as a whole, whatever is in it."""
        if place.why_not:
            return record.model_copy(update={"why": place.why_not})
        if not act:
            return record.model_copy(update={"why": "is to be deleted as a whole"})
        connections = self._request.appliance.connections
        try:
            delete_in_bucket(place.name, connections)
            if is_in_bucket(place.name, connections):
                return record.model_copy(update={"why": "objects of it are still there after deleting them"})
            self._note_ended(place)
        except ApplianceError as error:
            return record.model_copy(update={"why": error.explanation.line()})
        return record.model_copy(update={"state": "done", "why": "was deleted as a whole"})

    def _note_ended(self, place: Place) -> None:
        state_dir = self._request.appliance.state_dir
        for copy in made(state_dir):
            if (copy.place, copy.run) == (place.name, place.run):
                note_ended(state_dir, copy, "A subject in it was erased.")
                return

    def _files_without_plan(self, place: Place, record: PlaceRecord, *, act: bool) -> PlaceRecord:
        if self._request.subject.files != "delete" or place.export is None:
            why = f"{place.why_not}; delete it: appliance exports rm {place.run}"
            return record.model_copy(update={"why": why})
        if not act:
            return record.model_copy(update={"why": "is to be deleted as a whole"})
        delete_export(
            self._request.appliance.exports_dir, place.export, by="operator", why="A subject may be in it."
        )
        return record.model_copy(update={"state": "done", "why": "was deleted as a whole"})


def _outcome(record: PlaceRecord, counts: list[TableCount], reached: Ways, *, acted: bool) -> PlaceRecord:
    state: PlaceState = "empty"
    if counts:
        state = "done" if acted and not any(each.after for each in counts) else "open"
    if reached.lost:
        state = "open"
    why = "; ".join(reached.lost.values())
    return record.model_copy(update={"state": state, "why": why, "tables": tuple(counts)})
