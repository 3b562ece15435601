"""What an erasure does in the source: counts the subject's rows, or changes them as the document says."""

from __future__ import annotations

from contextlib import closing

import psycopg

from appliance.erasure.copies.databases import (
    InSource,
    change,
    count,
    too_many,
)
from appliance.erasure.request import Request
from appliance.errors import ApplianceError, RefusedError, WorkFailedError
from appliance.postgres.errors import database_failure
from appliance.subjects.records import (
    ErasureRecord,
    PlaceRecord,
)

_OTHERS = "no connection may write to it (writes_with): appliance erasure sql prints what to run"


class AtSource:
    """The source of one subject."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def looked(self) -> PlaceRecord:
        """What is there. Changes nothing. Raises our errors."""
        record = PlaceRecord(kind="source", name=self._request.subject.source)
        there = InSource(self._request.walked, self._request.found)
        try:
            with closing(self._request.open_source(there.settings)) as session:
                counts = count(session, there.changes())
        except psycopg.Error as error:
            raise database_failure("The source's rows could not be counted.", error) from None
        if not counts:
            return record.model_copy(update={"state": "empty"})
        why = "" if self._request.subject.writes_with else _OTHERS
        return record.model_copy(update={"tables": tuple(counts), "why": why})

    def cleared(self, so_far: ErasureRecord, confirmed: list[PlaceRecord]) -> PlaceRecord:
        """What came of changing it, once no copy is open; ``confirmed`` is what was counted and shown."""
        looked = self.looked()
        kept = "; ".join(
            f"{table} is kept: {rows.because}"
            for table, rows in self._request.subject.rows.items()
            if rows.do == "keep"
        )
        if looked.state == "empty":
            return looked.model_copy(update={"why": kept})
        if self._request.subject.writes_with is None:
            return looked.model_copy(update={"state": "left to others", "why": _OTHERS})
        if any(place.state == "open" and place.kind != "source" for place in so_far.places):
            return looked.model_copy(update={"why": "waits until no copy is open: its rows lead to theirs"})
        try:
            return self._changed(looked, confirmed, kept)
        except ApplianceError as error:
            return looked.model_copy(update={"why": error.explanation.line()})

    def _changed(self, looked: PlaceRecord, confirmed: list[PlaceRecord], kept: str) -> PlaceRecord:
        writer = self._request.subject.writes_with or ""
        allowed = self._request.appliance.policy.write
        if allowed is not None and writer not in allowed:
            raise RefusedError(
                f"The connection `{writer}` may not be written to (policy rule write).",
                "The policy of this appliance belongs to its owner.",
                "Ask the owner of policy.yaml.",
                rule="write",
            )
        total = sum(each.before for each in looked.tables)
        if total > self._request.subject.max_rows:
            raise too_many(self._request.subject.source, total, self._request.subject.max_rows)
        if [each.tables for each in confirmed if each.kind == "source"] != [looked.tables]:
            raise WorkFailedError(
                "The source's rows are not those that were counted before.",
                "They were written to since; nothing was changed in the source.",
                "Run the same command again, and look at the counts.",
            )
        there = InSource(self._request.walked, self._request.found)
        try:
            with (
                closing(self._request.open(writer, there.settings, read_only=False)) as session,
                session.transaction(),
            ):
                counts = change(session, there.changes(), total, self._request.subject.source)
        except psycopg.Error as error:
            raise database_failure("The source could not be written to.", error) from None
        left = sum(each.after for each in counts)
        return looked.model_copy(
            update={"tables": tuple(counts), "state": "open" if left else "done", "why": kept}
        )
