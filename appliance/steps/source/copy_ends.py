"""The sessions of a ``copy`` step, and one piece between them, which gives way to who waits for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.postgres.building.as_in_source import Work, set_as_in_source, set_as_ours
from appliance.postgres.building.function_advice import mended
from appliance.postgres.copying import ledger
from appliance.postgres.copying.at_fault import mask_may_be_why
from appliance.postgres.copying.chosen_rows import chosen_rows, gives_evidence
from appliance.postgres.copying.copy_sql import copy_in, copy_out
from appliance.postgres.copying.copy_stream import Copied, HalfBrokeError, SourceBrokeError, pipe
from appliance.postgres.copying.erased import count_erased
from appliance.postgres.copying.left_out import count_left_out
from appliance.postgres.copying.small_tables import Together, is_small
from appliance.postgres.errors import database_failure, named_failure
from appliance.postgres.no_encoding import bytes_as_they_are
from appliance.postgres.plan import CopyItem, Plan, PlannedTable, Settings, TargetFacts
from appliance.postgres.proof import evidence
from appliance.postgres.proof.parts import relations
from appliance.postgres.sessions.bindings import bind_words
from appliance.postgres.source.lock_watch import Covered, GaveWayError, LockWatch
from appliance.postgres.source.snapshot import import_snapshot
from appliance.postgres.source.source_load import MOST_PAUSE_S, PAUSE_S, ROOM, Throttle, has_room, share
from appliance.postgres.source.table_identity import SAVEPOINT, check_same, gone, identities, question, take
from appliance.steps.calling.context import StepContext
from appliance.steps.records.run_files import schema_of, settings_of

Report = Callable[[int, int], None]


class LockedError(Exception):
    """A table was locked by another session for as long as was waited. Nothing was begun."""


class CopyEnds:
    """A session on the source, in the run's snapshot, and one on the target; opened anew after giving way.

    ``apart``: another session on the source, in the same snapshot and without keys, runs what authors have
    written as SQL.
    """

    def __init__(
        self, context: StepContext, plan: Plan, target: TargetFacts, watch: LockWatch, *, apart: bool
    ) -> None:
        self._context, self._plan, self._target, self._watch = context, plan, target, watch
        self._apart = apart
        self._relations = relations(plan)
        self._settings = settings_of(plan.targets.index(target)).read(context.run_dir)
        limits = context.spec.workflow.limits
        self._throttle = Throttle(share(limits.source_mb_per_s, limits.parallel, len(plan.shards)))
        self._open = contextlib.ExitStack()
        self.reopen()

    def __enter__(self) -> CopyEnds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def reopen(self) -> None:
        """Close both sessions, whatever they are in, and begin anew in the same snapshot."""
        self._open.close()
        self._open = contextlib.ExitStack()
        self._source = self._entered(self._context.connect_source(keyed=True))
        self._into = self._entered(
            self._context.connect_target(self._target.connection, self._target.next_database)
        )
        reading = [self._source]
        self._without_keys: Connection[TupleRow] | None = None
        if self._apart:
            self._without_keys = self._entered(self._context.connect_source())
            reading.append(self._without_keys)
        self._covered: Covered = self._open.enter_context(
            self._watch.covering(*(each.info.backend_pid for each in reading))
        )
        for session in reading:
            import_snapshot(session, self._context.snapshot())
        bind_words(self._source, self._plan.bindings)
        try:
            for session in reading:
                session.execute(f"SAVEPOINT {SAVEPOINT}")
        except psycopg.Error as error:
            raise named_failure("The source could not be read.", error) from None

    def _entered(self, connection: Connection[TupleRow]) -> Connection[TupleRow]:
        self._open.callback(connection.close)
        return connection

    def copy(self, item: CopyItem, wait_s: float, report: Report) -> Copied | None:
        """Copy one piece; None where it had arrived already.

        Raises LockedError, GaveWayError where the sessions have to be opened anew, or our errors.
        """
        with self._ended_on_purpose():
            return self._copy(item, wait_s, report)

    def may_go_together(self, item: CopyItem) -> bool:
        """Whether a piece is so little that it is copied in one transaction with others."""
        return is_small(self._plan.tables[item.table], item)

    def alike(self, item: CopyItem, other: CopyItem) -> bool:
        """Whether two pieces are loaded under the same settings, in the same form."""
        return self._loading_of(item) == self._loading_of(other)

    def _loading_of(self, item: CopyItem) -> tuple[str, Settings]:
        table = self._plan.tables[item.table]
        return table.format, self._settings.of(table.load_into.schema_name, table.load_into.name)

    def copy_together(self, items: Sequence[CopyItem], wait_s: float) -> list[Copied] | None:
        """Copy several small pieces in one transaction; None where each has to be copied by itself.

        Then nothing of them was copied, and why it was not is found out one by one. Raises GaveWayError where
        the sessions have to be opened anew, or our errors.
        """
        with self._ended_on_purpose():
            try:
                return self._copy_together(items, wait_s)
            except psycopg.errors.LockNotAvailable:
                self._into.execute("ROLLBACK")
            except (HalfBrokeError, psycopg.Error):
                _stop(self._source)
                self._watch.check(self._covered)
                self.reopen()
            return None

    def _copy_together(self, items: Sequence[CopyItem], wait_s: float) -> list[Copied] | None:
        def look() -> None:
            self._watch.check(self._covered)

        together = Together(self._source, self._into, self._plan, self._relations, look)
        if not together.begin(items):
            return None
        together.take(items, round(wait_s * 1000), self._watch)
        with self._as_in_source(self._plan.tables[items[0].table]):
            moved = together.load(items)
        self._throttle.passed(sum(each.bytes for each in moved), look)
        together.prove_and_commit(items, moved)
        return moved

    def count_left_out(self, query: str) -> None:
        """Bring what filters leave out, as the source counts it, to the target.

        A condition of the document is part of the query, so it runs where no key is bound.
        Raises GaveWayError where the sessions have to be opened anew, or our errors.
        """
        assert self._without_keys is not None  # noqa: S101 - the caller asked for it
        with self._ended_on_purpose():
            try:
                self._without_keys.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
                count_left_out(self._without_keys, self._into, query)
            except psycopg.Error as error:
                what = "The rows that filters leave out could not be counted."
                raise database_failure(what, error) from None

    @contextlib.contextmanager
    def _ended_on_purpose(self) -> Iterator[None]:
        try:
            yield
        except (ApplianceError, GaveWayError):
            # The watch ended the session on purpose: whatever that has led to.
            if self._covered.gave_way:
                raise GaveWayError from None
            self._watch.check(self._covered)
            raise

    def wait_for_room(self) -> None:
        """Hold nothing on the source while it is short of connections or its replicas lag; not for ever."""
        limits = self._context.spec.workflow.limits
        free, lag = limits.source_free_connections, limits.source_replica_lag_s
        if (free is None and lag is None) or self._has_room(free, lag):
            return
        self._open.close()
        self._context.notice("The source is short of connections, or its replicas lag: a copy waits.")
        until = time.monotonic() + MOST_PAUSE_S
        while time.monotonic() < until and not self._has_room(free, lag):
            time.sleep(PAUSE_S)
        self.reopen()

    def _has_room(self, free: int | None, lag: int | None) -> bool:
        return has_room(self._watch.ask(lambda session: session.execute(ROOM).fetchall())[0], free, lag)

    @property
    def in_the_way_of(self) -> set[tuple[str, str]]:
        """The tables that others waited for when the sessions were ended."""
        return self._covered.tables

    def arrived(self, item: CopyItem) -> Copied:
        """What the target's ledger says of a finished piece."""
        return Copied(*ledger.arrived_item(self._into, item.key))

    def _copy(self, item: CopyItem, wait_s: float, report: Report) -> Copied | None:
        table = self._plan.tables[item.table]
        source, into = self._source, self._into

        def look() -> None:
            self._watch.check(self._covered)

        copied, before = Copied(0, 0), 0

        def on_bytes(rows: int, size: int) -> None:
            nonlocal before
            rows, size = copied.rows + rows, copied.bytes + size
            report(rows, size)
            look()
            self._throttle.passed(size - before, look)
            before = size

        with self._explained(table):
            if not ledger.begin(into, item.key, table.qualified):
                return None
            self._take(table, wait_s)
            for batch, piece in enumerate(self._pieces(table, item)):
                count_erased(source, into, table, piece)
                with self._as_in_source(table):
                    moved = pipe(
                        source.pgconn,
                        into.pgconn,
                        copy_out(table, piece),
                        copy_in(table),
                        on_bytes,
                        on_nap=look,
                    )
                copied = Copied(copied.rows + moved.rows, copied.bytes + moved.bytes)
                if piece.ctids is None or gives_evidence(batch):
                    evidence.gather(source, into, self._plan, piece, moved.rows, self._relations[item.table])
            ledger.commit(into, item.key, copied.rows, copied.bytes)
        return copied

    @contextlib.contextmanager
    def _as_in_source(self, table: PlannedTable) -> Iterator[None]:
        """Load rows under the source's settings, and take up ours again for the evidence."""
        settings = self._settings.of(table.load_into.schema_name, table.load_into.name)
        if settings:
            work: Work = "load binary" if table.format == "binary" else "load text"
            self._into.execute(set_as_in_source(settings, work).encode())
        # Bytes without an encoding pass as they are: the servers would check them as UTF-8.
        plain = self._plan.source.encoding == self._target.encoding == "SQL_ASCII"
        with bytes_as_they_are(self._source, self._into) if plain else contextlib.nullcontext():
            yield
        if settings:
            self._into.execute(set_as_ours(settings).encode())

    def _pieces(self, table: PlannedTable, item: CopyItem) -> Iterable[CopyItem]:
        """The piece as it is, or batch by batch where free SQL chooses its rows in a session of its own."""
        if not table.apart:
            return (item,)
        assert self._without_keys is not None  # noqa: S101 - the caller asked for it
        return chosen_rows(self._without_keys, table, item)

    @contextlib.contextmanager
    def _explained(self, table: PlannedTable) -> Iterator[None]:
        try:
            yield
        except LockedError:
            raise
        except HalfBrokeError as error:
            _stop(self._source)
            if isinstance(error, SourceBrokeError):
                what = "A table could not be read from the source."
                raise named_failure(what, error.error, table=table.qualified) from None
            raise self._not_written(table, error.error) from None
        except psycopg.Error as error:
            raise self._not_written(table, error) from None
        except BaseException:
            _stop(self._source)
            raise

    def _not_written(self, table: PlannedTable, error: psycopg.Error) -> ApplianceError:
        masked = mask_may_be_why(table, error)
        failure = named_failure("A table could not be written.", error, table=table.qualified, masked=masked)
        number, into = self._plan.targets.index(self._target), table.load_into
        return mended(
            failure,
            error,
            lambda: schema_of(number).read(self._context.run_dir).entries,
            self._settings.of(into.schema_name, into.name),
        )

    def _take(self, table: PlannedTable, wait_s: float) -> None:
        """Hold what reading the table needs, and make sure that it is what the plan was made for."""
        if not table.apart:
            self._hold(self._source, table, wait_s)
            return
        assert self._without_keys is not None  # noqa: S101 - the caller asked for it
        # Planning a condition may call what it names: not where keys are bound.
        self._hold(self._source, table.model_copy(update={"where_sql": None, "apart": False}), wait_s)
        self._hold(self._without_keys, table.model_copy(update={"erased_sql": None}), wait_s)

    def _hold(self, session: Connection[TupleRow], table: PlannedTable, wait_s: float) -> None:
        try:
            then = take(session, table, round(wait_s * 1000))
        except psycopg.errors.LockNotAvailable:
            self._into.execute("ROLLBACK")
            raise LockedError from None
        except psycopg.errors.UndefinedTable:
            raise gone(table) from None
        except psycopg.Error as error:
            raise SourceBrokeError(error) from None
        asked = question(table, session.info.backend_pid)
        now = self._watch.ask(lambda watching: watching.execute(asked).fetchall())
        check_same(table, then, identities(now))


def _stop(source: Connection[TupleRow]) -> None:
    """The source's server should not go on computing rows that are not taken."""
    with contextlib.suppress(psycopg.Error):
        source.cancel_safe(timeout=5)
