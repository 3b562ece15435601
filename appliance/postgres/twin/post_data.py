"""Builds indexes and keys, then foreign keys, then triggers, rules and policies over the filled tables.

Each object is made in a transaction of its own that first writes its line into the ledger, so that a second
attempt, also one that overlaps the first, makes it once. Foreign keys are added unchecked, which is instant,
and then checked in parallel: that takes no lock which another check waits for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import psycopg

from appliance.postgres.copying import ledger
from appliance.postgres.server_errors import named_failure
from appliance.postgres.sessions.parallel_jobs import Job, Session
from appliance.postgres.source.archive_contents import Entry
from appliance.postgres.twin.index_memory import builds_b_tree, limit_sort_memory
from appliance.postgres.twin.refused_objects import lacks_something

KEYS, FOREIGN_KEYS, REST = "indexes and keys", "foreign keys", "triggers, rules and policies"
PHASES = (KEYS, FOREIGN_KEYS, REST)
_PHASE_OF = {"INDEX": KEYS, "CONSTRAINT": KEYS, "INDEX ATTACH": KEYS, "FK CONSTRAINT": FOREIGN_KEYS}
_TABLES = {"TABLE", "MATERIALIZED VIEW"}
_FINISHED = f"{ledger.SCHEMA}.finished"
_FINISHED_KEY = "appliance_ledger_finished_once"
_MAX_MAINTENANCE_KB = 256 * 1024
_EVERY_FOREIGN_KEY = "every foreign key"
_CHECKED_AT_ONCE = 8 << 20
"""Bytes of the larger table of a foreign key below which it is added and checked in one go."""

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".(),]+)'
_FOREIGN_KEY = re.compile(
    rf"ALTER TABLE (?P<only>ONLY )?(?P<table>{_NAME}\.{_NAME})\s+ADD CONSTRAINT (?P<name>{_NAME})"
    rf" FOREIGN KEY \({_NAME}(?:, {_NAME})*\) REFERENCES (?P<schema>{_NAME})\.(?P<referenced>{_NAME})\("
)


@dataclass
class Building:
    """What building needs to know, and what it finds out."""

    entries: Sequence[Entry]
    """All that the twin gets, also what stood before the rows: tables are found through it."""
    sizes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Bytes of each table, by schema and name."""
    index_bytes: Mapping[int, int] = field(default_factory=dict)
    """Bytes that each index has in the source, by its entry's ``oid``: what takes longest begins first."""
    incomplete: frozenset[tuple[str, str]] = frozenset()
    """Tables that hold fewer rows than the source's: what refers to them may have nothing to refer to."""
    partitioned: frozenset[tuple[str, str]] = frozenset()
    unchecked: list[str] = field(default_factory=list)
    """Foreign keys, as ``table name``, that were added and then did not hold."""
    notes: list[str] = field(default_factory=list)

    @cached_property
    def tables(self) -> frozenset[tuple[str, str]]:
        """Those that the twin gets from the source. An extension's table has the rows that it brings."""
        return frozenset(
            (entry.schema_name or "", entry.tag) for entry in self.entries if entry.kind == "TABLE"
        )


def prepare(session: Session) -> None:
    """Set up a session that builds, with the memory for an index that its server can easily give."""
    session.execute("SET check_function_bodies = off")
    session.execute("SET client_min_messages = error")
    session.execute(
        "SELECT set_config('maintenance_work_mem',"
        " greatest(m.setting::bigint, least(%s, s.setting::bigint * 8))::text || 'kB', false)"
        " FROM pg_settings AS m, pg_settings AS s"
        " WHERE m.name = 'maintenance_work_mem' AND s.name = 'shared_buffers'",
        [_MAX_MAINTENANCE_KB],
    )


def create_ledger(session: Session) -> None:
    """Make the list of what has been built; an existing one is kept."""
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {_FINISHED} (job text, CONSTRAINT {_FINISHED_KEY} PRIMARY KEY (job))"
    )


def once(session: Session, key: str, statement: bytes) -> None:
    """Run SQL and note that it is done, in one transaction and one round trip, unless it was done before."""
    claim = f"BEGIN; INSERT INTO {_FINISHED} VALUES ('{key}'); ".encode()  # noqa: S608
    try:
        session.execute(claim + statement + b"; COMMIT")
    except psycopg.Error as error:
        if not session.broken:
            session.execute("ROLLBACK")
        if error.sqlstate != "23505" or error.diag.constraint_name != _FINISHED_KEY:
            raise


def building_jobs(building: Building, after: Iterable[Entry]) -> dict[str, list[Job]]:
    """Everything that comes after the rows, by phase."""
    tables = {entry.dump_id: entry for entry in building.entries if entry.kind in _TABLES}
    jobs: dict[str, list[Job]] = {phase: [] for phase in PHASES}
    for number, entry in enumerate(after):
        phase = _PHASE_OF.get(entry.kind, REST)
        about = [tables[needed] for needed in dict.fromkeys(entry.depends_on) if needed in tables]
        jobs[phase] += _jobs(building, entry, about, (PHASES.index(phase), number))
    return jobs


def _jobs(building: Building, entry: Entry, about: Sequence[Entry], place: tuple[int, int]) -> Iterator[Job]:
    phase, number = place
    size = max((building.sizes.get((t.schema_name or "", t.tag), 0) for t in about), default=0)
    rank = (phase, -building.index_bytes.get(entry.oid, size), number)
    key = str(entry.dump_id)
    needs = frozenset(str(needed) for needed in entry.depends_on if needed != entry.dump_id)
    statement = entry.sql.encode("utf-8", "surrogateescape")
    if entry.kind in ("INDEX", "CONSTRAINT") and builds_b_tree(entry.sql):
        statement = limit_sort_memory(size).encode() + statement
    if entry.kind != "FK CONSTRAINT":
        # Several indexes can be built on a table at a time; everything else wants it for itself.
        alone = entry.kind != "INDEX" or "\nALTER TABLE" in entry.sql
        locks = {_label(table): alone for table in about}
        yield Job(key, _runner(building, entry, key, statement), rank, needs, locks)
        return
    match = _FOREIGN_KEY.match(entry.sql)
    # A check does not reach the constraints that each partition of a referenced table has of its own.
    partitions = match is None or not match["only"] or _referenced(match) in building.partitioned
    # Adding a foreign key locks both tables, and the partitions of both.
    locks = {_EVERY_FOREIGN_KEY: partitions} | {_label(table): True for table in about}
    small = size < _CHECKED_AT_ONCE and not _may_dangle(building, entry)
    at_once = partitions or small or "NOT VALID" in entry.sql
    if match is None or at_once:
        yield Job(key, _runner(building, entry, key, statement), rank, needs, locks)
        return
    unchecked = statement.rstrip().removesuffix(b";") + b" NOT VALID"
    first = (phase, float("-inf"), number)
    yield Job(key, _runner(building, entry, key, unchecked), first, needs, locks)
    check = f"ALTER TABLE {match['table']} VALIDATE CONSTRAINT {match['name']}"
    yield Job(
        f"{key} checked",
        _runner(building, entry, f"{key} checked", check.encode("utf-8", "surrogateescape")),
        rank,
        frozenset({key}),
        # A check keeps other changes from the referring table, and only reads the other.
        {_EVERY_FOREIGN_KEY: False, match["table"]: True},
    )


def _runner(building: Building, entry: Entry, key: str, statement: bytes) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        try:
            once(session, key, statement)
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            if lacks_something(error):
                # It calls what is not there, which only its rows have shown.
                building.notes.append(
                    f"The twin does not have the {entry.label}: what it calls is not there"
                    f" (SQLSTATE {error.sqlstate})."
                )
                return
            if entry.kind != "FK CONSTRAINT" or error.sqlstate != "23503":
                raise named_failure(f"The twin could not be given the {entry.label}.", error) from None
            if not _may_dangle(building, entry):
                raise named_failure(f"The {entry.label} does not hold in the twin.", error) from None
            checking = key.endswith("checked")
            if checking:
                building.unchecked.append(entry.tag)
            outcome = "is not checked for these rows" if checking else "is not in the twin"
            building.notes.append(f"The {entry.label} {outcome}: some rows it refers to were not copied.")

    return run


def _may_dangle(building: Building, entry: Entry) -> bool:
    match = _FOREIGN_KEY.match(entry.sql)
    return match is not None and (
        _referenced(match) in building.incomplete or _referenced(match) not in building.tables
    )


def _referenced(match: re.Match[str]) -> tuple[str, str]:
    return _unquoted(match["schema"]), _unquoted(match["referenced"])


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _label(table: Entry) -> str:
    return f"{table.schema_name}.{table.tag}"


def with_ancestors(session: Session, tables: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The tables, and the partitioned tables above each."""
    wanted = list(dict.fromkeys(tables))
    rows = session.execute(
        "SELECT DISTINCT an.nspname::text, ac.relname::text"
        " FROM unnest(%s::text[], %s::text[]) AS w (schema_name, name)"
        " JOIN pg_namespace AS n ON n.nspname = w.schema_name"
        " JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name"
        " CROSS JOIN LATERAL pg_partition_ancestors(c.oid) AS a (oid)"
        " JOIN pg_class AS ac ON ac.oid = a.oid JOIN pg_namespace AS an ON an.oid = ac.relnamespace",
        [[schema for schema, _ in wanted], [name for _, name in wanted]],
    )
    return frozenset(wanted) | frozenset((schema, name) for schema, name in rows)


def partitioned_tables(session: Session) -> frozenset[tuple[str, str]]:
    """(schema, name) of the partitioned tables of the database."""
    rows = session.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind = 'p'"
    )
    return frozenset((schema, name) for schema, name in rows)


def table_sizes(session: Session) -> dict[tuple[str, str], int]:
    """Bytes of every table of the database, with TOAST, by schema and name."""
    rows = session.execute(
        "SELECT n.nspname::text, c.relname::text, pg_table_size(c.oid) FROM pg_class AS c"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')"
        " AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %s)",
        [ledger.SCHEMA],
    )
    return {(schema, name): size for schema, name, size in rows}
