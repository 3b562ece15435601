"""Some rows as a run would copy them, read in this process with the keys of a run. Nothing is written.

The plan is a run's own, made in a snapshot that ends with the preview, and so are the expressions, the keys
and the way in which free SQL chooses rows apart from them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import psycopg
from psycopg import Connection as Session
from psycopg.rows import TupleRow

from appliance.connections.database import Connection
from appliance.errors import WorkFailedError
from appliance.keys.keys import source_key
from appliance.masking.bindings import secret_settings
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.preview_sql import preview_query
from appliance.postgres.errors import named_failure
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, Snapshot
from appliance.postgres.planning.planning import PlanRequest, make_plan
from appliance.postgres.sessions.bindings import bind_words, start_options
from appliance.postgres.sessions.connect import open_session
from appliance.postgres.sessions.parameters import libpq_parameters
from appliance.postgres.source.catalog_reader import read_catalog
from appliance.postgres.source.lock_watch import Covered, LockWatch
from appliance.postgres.source.session_settings import read_session_settings
from appliance.postgres.source.snapshot import export_snapshot, import_snapshot
from appliance.postgres.source.table_identity import SAVEPOINT, check_same, identities, question, take
from appliance.steps.records.run_spec import RunSpec
from appliance.subjects.erased import ERASED_KEY, erased_key
from appliance.workflow.catalog import Catalog, Column
from appliance.workflow.matching.rules import match_rules, selected_oids

STATEMENT_TIMEOUT_S = 60
_MORE = 1000
"""Rows that are read besides where free SQL chooses them, in case some are about erased subjects."""
Name = tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """One value: its shape, and what the twin would have."""

    shape: str | None
    """None where the source has NULL."""
    twin: str | None
    original: str | None = None
    """Only where it was asked for."""


@dataclass
class TablePreview:
    """Some rows of one table, partitions under their root."""

    schema_name: str
    name: str
    masks: dict[str, str] = field(default_factory=dict)
    """Masked columns, and the mask of each."""
    kept: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    """Nothing covers them, so a run would stop; they are not looked at."""
    rows: list[dict[str, Cell]] = field(default_factory=list)
    """By column: the masked ones, and with their shape alone the kept ones."""
    why_not: str = ""
    """Why no row can be shown."""


@dataclass(frozen=True)
class PreviewRequest:
    """Which tables, how many rows of each, and whether the originals are shown too."""

    wanted: Callable[[Collection[Name]], Collection[Name]]
    """Chooses among the selected tables. Raises WrongRequestError where none is meant."""
    rows: int
    originals: bool = False


class Preview:
    """Reads the source of one workflow."""

    def __init__(self, spec: RunSpec, connections: Mapping[str, Connection], key: bytes) -> None:
        self._spec, self._key = spec, key
        self._parameters = libpq_parameters(connections[spec.workflow.source])

    def of(self, request: PreviewRequest) -> list[TablePreview]:
        """The wanted tables. Raises our errors, those of a plan among them."""
        with closing(self._open()) as plain:
            snapshot = export_snapshot(plain)
            try:
                catalog = read_catalog(plain, partial(selected_oids, self._spec.workflow))
                plan = self._plan(plain, catalog, snapshot)
            except psycopg.Error as error:
                raise named_failure("The source's catalog could not be read.", error) from None
            tables = self._tables(plan, catalog)
            wanted = request.wanted(list(tables))
            with self._reading(plain, snapshot, plan, originals=request.originals) as reader:
                for name in wanted:
                    self._fill(tables[name], plan, catalog, reader, request)
        return [tables[name] for name in wanted]

    def _plan(self, plain: Session[TupleRow], catalog: Catalog, snapshot: Snapshot) -> Plan:
        spec = self._spec
        request = PlanRequest(
            run_id=spec.run_id,
            workflow=spec.workflow,
            policy=spec.policy,
            origin=spec.origin,
            places=spec.places,
            catalog=catalog,
            snapshot=snapshot,
            key_name=spec.key_name,
            epoch=spec.epoch,
            erased=spec.erased,
            settings=read_session_settings(plain),
            preview=True,
        )
        # No target is asked: nothing is delivered.
        return make_plan(request, plain, lambda _: (), lambda _: ())

    def _tables(self, plan: Plan, catalog: Catalog) -> dict[Name, TablePreview]:
        found: dict[Name, TablePreview] = {}
        for table in plan.tables:
            name = _shown_name(table)
            known = found.setdefault(name, TablePreview(*name))
            known.masks = {column.name: column.said for column in table.masked_columns}
            known.kept = tuple(column.name for column in table.columns if column.mask is None)
        for uncovered, column in match_rules(self._spec.workflow, catalog).uncovered:
            if uncovered.all_names[-1] in found:
                found[uncovered.all_names[-1]].undecided += (column.name,)
        return found

    def _fill(
        self,
        shown: TablePreview,
        plan: Plan,
        catalog: Catalog,
        reader: _Reader,
        request: PreviewRequest,
    ) -> None:
        columns = {table.all_names[0]: table.columns for table in catalog.tables}
        for number, table in enumerate(plan.tables):
            missing = request.rows - len(shown.rows)
            if _shown_name(table) != (shown.schema_name, shown.name) or missing <= 0:
                continue
            if table.unplanned:
                shown.why_not = "it is copied whole and as it is, without a query"
                return
            if not table.columns:
                shown.why_not = "no column of it is decided"
                return
            found = reader.rows(number, table, columns[table.schema_name, table.name], missing)
            shown.rows += [_cells(table, row, request.originals) for row in found]

    @contextlib.contextmanager
    def _reading(
        self, plain: Session[TupleRow], snapshot: Snapshot, plan: Plan, *, originals: bool
    ) -> Iterator[_Reader]:
        own = source_key(self._key, self._spec.key_name, self._spec.epoch)
        keys = secret_settings(own, plan.bindings)
        if self._spec.erased:
            keys |= secret_settings(erased_key(self._key, self._spec.key_name), [ERASED_KEY])
        options = start_options(keys)
        with (
            closing(self._open(options)) as keyed,
            LockWatch(self._open, self._spec.workflow.limits.yield_s) as watch,
            watch.covering(plain.info.backend_pid, keyed.info.backend_pid) as covered,
        ):
            import_snapshot(keyed, snapshot)
            bind_words(keyed, plan.bindings)
            for session in (plain, keyed):
                session.execute(f"SAVEPOINT {SAVEPOINT}")
            yield _Reader(plain, keyed, watch, covered, self._spec, originals)

    def _open(self, options: str = "") -> Session[TupleRow]:
        return open_session(
            self._spec.workflow.source,
            self._parameters,
            application_name="appliance-preview",
            read_only=True,
            statement_timeout_s=STATEMENT_TIMEOUT_S,
            lock_timeout_s=self._spec.workflow.limits.lock_timeout_s,
            options=options,
        )


@dataclass(frozen=True)
class _Reader:
    plain: Session[TupleRow]
    keyed: Session[TupleRow]
    watch: LockWatch
    covered: Covered
    spec: RunSpec
    originals: bool

    def rows(
        self, number: int, table: PlannedTable, columns: Sequence[Column], rows: int
    ) -> list[tuple[str | None, ...]]:
        """What the query gives for the first rows that a run would copy."""
        wait_ms = self.spec.workflow.limits.lock_timeout_s * 1000
        item: CopyItem | None = None
        try:
            if table.apart:
                # What an author has written runs where no key is bound.
                take(self.plain, table, wait_ms)
                # Who was erased is known where the keys are, and is left out there.
                open_to_all = table.model_copy(update={"erased_sql": None})
                limit = rows if table.erased_sql is None else rows + _MORE
                query = f"SELECT t.ctid::text {rows_of(open_to_all)} LIMIT {limit}"
                places = self.plain.execute(query.encode())
                listed = ",".join(f'"{place}"' for (place,) in places)
                item = CopyItem(table=number, ctids=f"{{{listed}}}")
            taken = table.model_copy(update={"where_sql": None, "apart": False}) if table.apart else table
            then = take(self.keyed, taken, wait_ms)
            asked = question(taken, self.keyed.info.backend_pid)
            check_same(taken, then, identities(self.watch.ask(lambda each: each.execute(asked).fetchall())))
            query = preview_query(table, columns, item, rows, originals=self.originals)
            return self.keyed.execute(query.encode()).fetchall()
        except (psycopg.Error, UnicodeDecodeError) as error:
            if self.covered.gave_way:
                raise WorkFailedError(
                    f"The preview let go of the source: a session waited for {table.qualified}.",
                    "What changes a table goes first.",
                    "Run it again when that has ended.",
                ) from None
            if isinstance(error, UnicodeDecodeError):
                raise WorkFailedError(
                    f"Values of {table.qualified} are no text that can be shown.",
                    "The source's database has no encoding, and these bytes are not UTF-8.",
                    "Preview other tables with --table.",
                ) from None
            what = "The rows could not be read from the source."
            raise named_failure(what, error, table=table.qualified) from None


def _shown_name(table: PlannedTable) -> Name:
    root = table.root
    return (root.schema_name, root.name) if root is not None else (table.schema_name, table.name)


def _cells(table: PlannedTable, row: tuple[str | None, ...], originals: bool) -> dict[str, Cell]:
    masked = [column.name for column in table.masked_columns]
    names = [column.name for column in table.columns]
    twins = dict(zip(masked, row, strict=False))
    shapes = row[len(masked) : len(masked) + len(names)]
    given = row[len(masked) + len(names) :] if originals else (None,) * len(names)
    return {
        name: Cell(shape, twins.get(name), original)
        for name, shape, original in zip(names, shapes, given, strict=True)
    }
