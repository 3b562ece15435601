"""Look at the kept columns where they stand now: in ``<twin>__next``."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import psycopg

from appliance.discovery.evidence import ValueEvidence
from appliance.discovery.kept.look import KeptTable
from appliance.discovery.kept.values import (
    COLUMNS_AT_ONCE,
    KeptValuesQuery,
    Seen,
    kept_values_queries,
    kept_values_together,
    personal_values,
    spoken_kind,
    take_in,
)
from appliance.discovery.name_list import known_names
from appliance.discovery.scanning import ADULT_YEARS
from appliance.masking.expressions.sql_text import identifier
from appliance.postgres.building.as_in_source import names_as_in_source
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import DefinitionSettings, Plan
from appliance.postgres.proof.kept import KeptColumnLook, KeptOnSource, KeptTableLook
from appliance.postgres.proof.parts import Loaded, relations
from appliance.postgres.proof.verification import SEARCHED_ROWS, SESSION
from appliance.postgres.sessions.parallel_jobs import Job, Session, run_jobs
from appliance.postgres.twin.found_names import with_names
from appliance.steps.calling.context import StepContext
from appliance.steps.records.column_files import KEPT
from appliance.steps.records.run_files import ORIGINALS, settings_of
from appliance.workflow.catalog import Column

STATEMENT_TIMEOUT_S = 300
LONGEST_S = 1800
MOST_ROWS = 2_000
"""A larger table is looked at in a query of its own."""
_MOST_COLUMNS_OF_MANY = 20
RELATIONS_AT_ONCE = 50
"""Partitions that one query goes over."""
_FAILED = "The kept columns of a table could not be looked at."
_WHY = {
    "57014": f"it took longer than {STATEMENT_TIMEOUT_S // 60} minutes",
    "53100": "the target has no room for temporary files",
    "53400": "the target allows no more temporary files",
}


def look_at_kept(
    context: StepContext, plan: Plan, number: int, rows: Mapping[str, int]
) -> tuple[KeptTableLook, ...]:
    """What is seen in a twin's kept columns; ``rows`` are those of its relations. Raises our errors."""
    if not KEPT.is_in(context.run_dir):
        return ()
    look = KEPT.read(context.run_dir)
    target = plan.targets[number]
    counted = ORIGINALS.read(context.run_dir).columns if ORIGINALS.is_in(context.run_dir) else ()
    on_source = {(each.table, each.column): each for each in counted}
    uncompared = dict(look.uncompared)
    twin = _Twin(plan, settings_of(number).read(context.run_dir), rows, time.monotonic() + LONGEST_S)
    found: list[KeptTableLook] = []

    def open_session() -> Session:
        session = context.connect_target(target.connection, target.next_database)
        session.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'; {SESSION}".encode())
        return session

    def looked(session: Session, tables: Sequence[KeptTable]) -> None:
        for table, (seen, why) in zip(tables, twin.seen_in(session, tables), strict=True):
            columns = (_column(table, each, seen, why) for each in _all_columns(table))
            said = tuple(_compared(each, table.qualified, on_source, uncompared) for each in columns)
            found.append(KeptTableLook(table=table.qualified, rows=seen.rows, columns=said))

    def job(place: int, tables: Sequence[KeptTable]) -> Job:
        rank = (-sum(twin.size(table) for table in tables),)
        return Job(f"{tables[0].qualified} {place}", lambda session: looked(session, tables), rank)

    jobs = [job(place, some) for place, some in enumerate(_together(twin, look.tables))]
    run_jobs(jobs, open_session, plan.parallel)
    return tuple(sorted(found, key=lambda each: each.table))


class _Twin:
    """The relations of a twin in which kept columns stand."""

    def __init__(
        self, plan: Plan, settings: DefinitionSettings, rows: Mapping[str, int], give_up: float
    ) -> None:
        self._loaded, self._settings, self._rows, self._give_up = relations(plan), settings, rows, give_up
        self._encoding = plan.source.encoding
        self._seed = secrets.randbits(31)

    def size(self, table: KeptTable) -> int:
        return sum(self._rows.get(each.relation.qualified, 0) for each in self._relations(table))

    def is_small(self, table: KeptTable) -> bool:
        """Whether it may be looked at with others."""
        few = 0 < len(table.columns) <= _MOST_COLUMNS_OF_MANY
        return few and len(self._relations(table)) == 1 and self.size(table) <= MOST_ROWS

    def seen_in(self, session: Session, tables: Sequence[KeptTable]) -> list[tuple[Seen, str | None]]:
        """``seen`` of each; of several in one query, unless one of them is in the way of the others."""
        if len(tables) > 1 and time.monotonic() < self._give_up:
            found = [Seen() for _ in tables]
            of_each = [
                (each.columns, [_from(one) for one in self._relations(each)], dict(each.conditions))
                for each in tables
            ]
            query = kept_values_together(of_each, self._encoding)
            try:
                take_in(query, session.execute(query.sql.encode(), self._given()).fetchall(), found)
            except psycopg.Error as error:
                if session.closed:
                    raise database_failure(_FAILED, error) from None
            else:
                return [(each, None) for each in found]
        return [self.seen(session, each) for each in tables]

    def seen(self, session: Session, table: KeptTable) -> tuple[Seen, str | None]:
        """What was counted, and why nothing was."""
        seen = Seen()
        if not table.columns:
            return seen, None
        rows = self.size(table)
        # A tenth more than are wanted: each row is chosen by itself.
        share = 1.0 if rows < 2 * SEARCHED_ROWS else 1.1 * SEARCHED_ROWS / rows
        loaded = self._relations(table)
        for at in range(0, len(loaded), RELATIONS_AT_ONCE):
            part = loaded[at : at + RELATIONS_AT_ONCE]
            queries = kept_values_queries(
                table.columns,
                [_from(each) for each in part],
                self._encoding,
                share=share,
                seed=self._seed,
                conditions=dict(table.conditions),
            )
            before = seen.rows
            for query in queries:
                if time.monotonic() > self._give_up:
                    return seen, f"looking at kept columns took longer than {LONGEST_S // 60} minutes"
                seen.rows = before
                try:
                    self._ask(session, query, part, seen)
                except psycopg.Error as error:
                    why = _WHY.get(error.sqlstate or "")
                    if why is None or session.closed:
                        raise database_failure(_FAILED, error, table=table.qualified) from None
                    return seen, why
        return seen, None

    def _relations(self, table: KeptTable) -> list[Loaded]:
        return list(dict.fromkeys(self._loaded[source] for source in table.sources))

    def _given(self) -> dict[str, str]:
        return {
            "names": known_names(self._encoding),
            "limit_year": str(datetime.now(UTC).year - ADULT_YEARS),
        }

    def _ask(self, session: Session, query: KeptValuesQuery, part: list[Loaded], seen: Seen) -> None:
        relation = part[0].relation
        path = names_as_in_source(self._settings.of(relation.schema_name, relation.name))
        answer = with_names(
            session, lambda: session.execute(query.sql.encode(), self._given()).fetchall(), path
        )
        seen.add(query, answer)


def _together(twin: _Twin, tables: Sequence[KeptTable]) -> Iterator[list[KeptTable]]:
    """Small tables together, up to so many columns; each other one alone."""
    some: list[KeptTable] = []
    for table in tables:
        if not twin.is_small(table):
            yield [table]
            continue
        if sum(len(each.columns) for each in some) + len(table.columns) > COLUMNS_AT_ONCE:
            yield some
            some = []
        some.append(table)
    if some:
        yield some


def _from(loaded: Loaded) -> str:
    name = f"{identifier(loaded.relation.schema_name)}.{identifier(loaded.relation.name)}"
    return f"ONLY {name}" if loaded.only else name


def _all_columns(table: KeptTable) -> list[tuple[str, Column | None, str | None]]:
    """Name, what is looked at, or why nothing is."""
    looked: list[tuple[str, Column | None, str | None]] = [(each.name, each, None) for each in table.columns]
    return looked + [(name, None, why) for name, why in table.unread]


def _column(
    table: KeptTable, which: tuple[str, Column | None, str | None], seen: Seen, why: str | None
) -> KeptColumnLook:
    name, column, unread = which
    because, labels = name in table.because, dict(table.labels).get(name, 0)
    if labels:
        kind = "an address or a number"
        return KeptColumnLook(column=name, because=because, values=labels, kind=kind, looks_personal=labels)
    if column is None or why is not None:
        return KeptColumnLook(column=name, because=because, not_looked_at=unread or why)
    counts = seen.columns.get(name)
    evidence: ValueEvidence | None = personal_values(column, counts) if counts is not None else None
    return KeptColumnLook(
        column=name,
        because=because,
        values=counts.total if counts is not None else 0,
        kind=spoken_kind(evidence) if evidence is not None else None,
        looks_personal=evidence.hits if evidence is not None else 0,
    )


def _compared(
    look: KeptColumnLook,
    table: str,
    on_source: Mapping[tuple[str, str], KeptOnSource],
    uncompared: Mapping[str, str],
) -> KeptColumnLook:
    source = on_source.get((table, look.column))
    if source is None:
        return look.model_copy(update={"not_compared": uncompared.get(table)})
    return look.model_copy(
        update={
            "compared": source.texts,
            "originals": source.met,
            "not_compared": source.not_compared or uncompared.get(table),
        }
    )
