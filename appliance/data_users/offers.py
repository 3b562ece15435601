"""What there is for people who use data: twins, branches, exports, buckets, how fresh, what was masked how.

Read from signed receipts, the ledger of copies, exports and connections. Names and numbers: of connections
the host, the port and the database of a twin, and no role or secret.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import appliance
from appliance.connections.file import Connections, load_connections
from appliance.copies.ledger import CopyMade, ended, made
from appliance.data_users.offered import (
    BranchOffer,
    BucketOffer,
    ColumnOffer,
    DataOffers,
    ExportOffer,
    Place,
    TableOffer,
    TwinOffer,
    WorkflowOffer,
)
from appliance.data_users.tokens import DataUserToken
from appliance.errors import ApplianceError
from appliance.exports.stored import Export, list_exports
from appliance.receipts.book import Entry, ReceiptBook, run_of
from appliance.receipts.envelope import WrongReceiptError
from appliance.receipts.predicate import MaskedColumn, RunPredicate
from appliance.receipts.statement import UnreadableStatementError
from appliance.settings.settings import Settings

_MOST_RECEIPTS = 2000
"""So many of the newest are read."""


@dataclass(frozen=True)
class _Line:
    """What of a receipt is remembered: all of it, for years of runs, has no room in upkeep's memory."""

    run: str
    workflow: str
    released: bool


class Offers:
    """Reads it; receipts, which do not change, once, but for the newest of each workflow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read: dict[str, _Line | None] = {}
        self._lock = threading.Lock()

    def of(self, token: DataUserToken | None) -> DataOffers:
        """What there is for a token, or all of it; one at a time. Raises our errors."""
        with self._lock:
            return self._of(token)

    def _of(self, token: DataUserToken | None) -> DataOffers:
        now = datetime.now(UTC)
        settings = self._settings
        over = ended(settings.state_dir)
        copies = [
            each
            for each in made(settings.state_dir)
            if each.key not in over and (each.expires_at is None or each.expires_at > now)
        ]
        exports = list_exports(settings.exports_dir)
        released = self._released(token)
        ids = {*released, *(each.workflow for each in copies)}
        ids |= {each.manifest.workflow for each in exports}
        if token is not None:
            ids &= set(token.workflows)
        connections = self._connections()
        return DataOffers(
            version=appliance.__version__,
            now=now,
            person=token.person if token is not None else None,
            expires_at=token.expires_at if token is not None else None,
            workflows=tuple(
                _workflow(
                    each,
                    [copy for copy in copies if copy.workflow == each],
                    [export for export in exports if export.manifest.workflow == each],
                    released.get(each),
                    connections,
                )
                for each in sorted(ids)
            ),
        )

    def _connections(self) -> Connections:
        try:
            return load_connections(self._settings.connections_file)
        except ApplianceError:
            return Connections()

    def _released(self, token: DataUserToken | None) -> dict[str, RunPredicate]:
        """Of each workflow the newest run that was released and did not fail after all."""
        book = ReceiptBook(self._settings.receipts_dir, self._settings.keys_dir)
        newest: dict[str, Entry] = {}
        seen: set[str] = set()
        for entry in reversed(book.entries()[-_MOST_RECEIPTS:]):
            line = self._line(book, entry)
            if line is None or line.run in seen:
                continue
            seen.add(line.run)
            if line.released and (token is None or token.opens(line.workflow)):
                newest.setdefault(line.workflow, entry)
        found = {workflow: _said(book, entry) for workflow, entry in newest.items()}
        return {workflow: said for workflow, said in found.items() if said is not None}

    def _line(self, book: ReceiptBook, entry: Entry) -> _Line | None:
        name = entry.path.name
        if name not in self._read:
            said = _said(book, entry)
            line = None if said is None else _Line(said.run, said.workflow.id, said.outcome == "released")
            self._read[name] = line
        return self._read[name]


def _said(book: ReceiptBook, entry: Entry) -> RunPredicate | None:
    try:
        return run_of(book.read(entry))
    except (WrongReceiptError, UnreadableStatementError):
        return None


def _workflow(
    id_: str,
    copies: list[CopyMade],
    exports: list[Export],
    run: RunPredicate | None,
    connections: Connections,
) -> WorkflowOffer:
    proven = run.run if run is not None else None
    # A copy is noted before it is delivered: those of a run that failed afterwards are not there.
    twins = {each.place: each for each in copies if each.kind == "twin" and each.run == proven}
    ends = {each.run: each.expires_at for each in copies if each.kind == "files"}
    source = run.source.connection if run is not None and run.source is not None else ""
    return WorkflowOffer(
        id=id_,
        title=run.workflow.title if run is not None else "",
        source=source or next((each.source for each in copies), ""),
        run=run.run if run is not None else None,
        as_of=run.snapshot.taken_at if run is not None and run.snapshot is not None else None,
        receipt=run.link.number if run is not None else None,
        tables=_tables(run) if run is not None else (),
        not_carried=tuple(f"{each.kind} {each.name}: {each.why}" for each in run.not_carried) if run else (),
        twins=tuple(
            TwinOffer(_place(each, connections), each.run, each.made_at, each.expires_at)
            for each in twins.values()
        ),
        branches=tuple(
            BranchOffer(_place(each, connections), each.run, each.made_at, each.expires_at)
            for each in copies
            if each.kind == "branch"
        ),
        exports=tuple(_export(each, ends.get(each.manifest.run)) for each in exports),
        buckets=tuple(
            BucketOffer(each.place, each.run, each.made_at) for each in copies if each.kind == "bucket"
        ),
    )


def _tables(run: RunPredicate) -> tuple[TableOffer, ...]:
    found = []
    for table in run.tables:
        prefix = f"{table.table}."
        columns = [
            ColumnOffer(
                each.column.removeprefix(prefix),
                each.type,
                _mask_of(each),
                ", ".join(f"{key}: {value}" for key, value in each.options.items()),
            )
            for each in table.masked
        ]
        columns += [
            ColumnOffer(each.column.removeprefix(prefix), each.type, None, because=each.because or "")
            for each in table.kept
        ]
        found.append(TableOffer(table.table, table.rows_twin, table.left_out, tuple(columns)))
    return tuple(found)


def _mask_of(column: MaskedColumn) -> str:
    """Of conditions only that there are some, and what each makes of its rows."""
    names = [each.mask or "kept as it is" for each in column.alternatives]
    return f"{', '.join(names[:-1])} or {names[-1]}, by condition" if names else column.mask


def _export(export: Export, expires_at: datetime | None) -> ExportOffer:
    manifest = export.manifest
    return ExportOffer(
        run=manifest.run,
        created_at=manifest.created_at,
        formats=tuple(each.format for each in manifest.formats),
        tables=len(manifest.tables),
        rows=manifest.rows,
        files=len(manifest.files),
        bytes=manifest.bytes,
        restorable=any(each.format == "archive" for each in manifest.formats),
        expires_at=expires_at,
    )


def _place(copy: CopyMade, connections: Connections) -> Place:
    name, _, database = copy.place.partition("/")
    known = connections.get(name)
    return Place(
        connection=name,
        database=database,
        host=known.host if known is not None else None,
        port=known.port if known is not None else None,
        sslmode=known.sslmode if known is not None else None,
    )
