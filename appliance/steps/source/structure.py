"""What ``schema`` reads of the source: its structure, through pg_dump, and what a dump does not say.

Tables that the workflow leaves out are in the twin, empty, and pg_dump locks for a moment what it
describes. So one of them that a session has locked, or waits to lock, is set aside with what needs it: the
run neither waits for it nor stands in its way.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.errors import ApplianceError
from appliance.postgres.building.sequences import SequenceValue, read_sequences
from appliance.postgres.errors import database_failure
from appliance.postgres.plan import Plan, TargetFacts
from appliance.postgres.source.archive_contents import Entry
from appliance.postgres.source.lock_watch import LockWatch, Name, described, still_in_the_way
from appliance.postgres.source.schema_dump import dump_schema
from appliance.postgres.source.unsupported_objects import SET_ASIDE, LeftBehind, find_left_behind
from appliance.postgres.twin.target.abilities import read_abilities
from appliance.steps.calling.context import StepContext
from appliance.steps.calling.secrets import service_environment
from appliance.steps.source.reading import MOST_YIELDS, named, read_source
from appliance.system.postgres_programs import find_pg_dump

_FILLED_VIEWS = """
SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND c.relispopulated ORDER BY 1, 2
"""
# Up to PostgreSQL 17 a column may hold NULL though it is inherited from one that may not, and pg_dump has no
# words for that: what inherits is made with the parent's NOT NULL.
_NULL_IN_CHILDREN = """
SELECT DISTINCT n.nspname::text, c.relname::text, a.attname::text
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull
JOIN pg_attribute AS p ON p.attrelid = i.inhparent AND p.attname = a.attname AND p.attnum > 0 AND p.attnotnull
WHERE c.relkind = 'r' AND NOT c.relispartition
"""
# A constraint's index is made by the constraint, and goes by its oid. Measuring would take locks.
_INDEX_BYTES = """
SELECT coalesce(k.oid, i.indexrelid)::bigint,
    greatest(c.relpages, 0)::bigint * current_setting('block_size')::bigint
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid LEFT JOIN pg_constraint AS k
ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indexrelid >= 16384
"""
_RELATIONS = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
AND n.nspname <> 'information_schema'
"""
_PARENTS = "SELECT inhrelid::bigint, inhparent::bigint FROM pg_inherits"


@dataclass(frozen=True)
class SourceSchema:
    """All that a twin's structure is made from."""

    entries: tuple[Entry, ...]
    left_behind: tuple[LeftBehind, ...]
    """For each target of the plan."""
    sequences: tuple[SequenceValue, ...]
    filled_views: tuple[tuple[str, str], ...]
    index_bytes: dict[int, int]
    has_public: bool
    nullable: tuple[tuple[str, str, str], ...] = ()
    """Columns (schema, table, column) that may hold NULL, and inherit from one that may not."""


@dataclass(frozen=True)
class _Relations:
    """Tables, views and sequences as the snapshot sees them."""

    all: frozenset[tuple[int, str, str, str]]
    needed: frozenset[Name]
    """What the workflow copies, and the tables above it."""

    @property
    def left_out(self) -> frozenset[Name]:
        """What may be set aside."""
        return frozenset((schema, name) for _, schema, name, kind in self.all if kind in "rp") - self.needed


def read_schema(context: StepContext, plan: Plan) -> SourceSchema:
    """Read it all in the run's snapshot, giving way. Raises our errors; notices say what is set aside."""
    program = find_pg_dump(plan.source.server_version)
    with LockWatch(context.connect_source, context.spec.workflow.limits.yield_s) as watch:
        relations, read = read_source(
            context,
            watch,
            "the tables, sequences and indexes",
            lambda source: (_relations(source, plan), _beside_the_dump(source)),
        )
        aside = relations.left_out & watch.locked_tables() | _gone(watch, relations)
        for _ in range(MOST_YIELDS):
            left_behind = tuple(_left_behind(context, watch, target, aside) for target in plan.targets)
            # A name of its own: the dump's session is known by nothing else.
            name = f"{context.application_name[:54]} pg_dump"
            with watch.covering(name=name, never=relations.left_out) as covered:
                try:
                    entries = dump_schema(
                        program,
                        service_environment(context.secrets_dir, plan.source.connection, name),
                        snapshot=context.snapshot().snapshot_id,
                        lock_timeout_s=context.spec.workflow.limits.lock_timeout_s,
                        encoding=plan.source.encoding,
                        left_out=aside.union(*(each.unreadable + each.views for each in left_behind)),
                    )
                except ApplianceError as error:
                    if not covered.gave_way:
                        raise named(watch, error) from None
                else:
                    _say_what_is_aside(context, aside, left_behind)
                    return SourceSchema(tuple(entries), left_behind, *read)
            context.notice(
                f"A session waited on the source for {described(covered.tables)}, or had locked it: the run"
                " let go of everything, and reads the schema anew."
            )
            aside |= covered.tables & relations.left_out
    raise still_in_the_way(covered.tables, MOST_YIELDS)


def _relations(source: Connection[TupleRow], plan: Plan) -> _Relations:
    try:
        found = source.execute(_RELATIONS).fetchall()
        parents: dict[int, set[int]] = {}
        for child, parent in source.execute(_PARENTS):
            parents.setdefault(child, set()).add(parent)
    except psycopg.Error as error:
        raise database_failure("The source's tables could not be listed.", error) from None
    planned = {(table.schema_name, table.name) for table in plan.tables}
    needed = {oid for oid, schema, name, _ in found if (schema, name) in planned}
    above = list(needed)
    for oid in above:
        above += parents.get(oid, set()) - needed
        needed |= parents.get(oid, set())
    return _Relations(
        frozenset((oid, schema, name, kind) for oid, schema, name, kind in found),
        frozenset((schema, name) for oid, schema, name, _ in found if oid in needed),
    )


def _gone(watch: LockWatch, relations: _Relations) -> frozenset[Name]:
    """What the snapshot sees, the workflow does not copy, and is not there any more under that name."""
    now = watch.ask(lambda session: session.execute(_RELATIONS).fetchall())
    gone = relations.all - {(oid, schema, name, kind) for oid, schema, name, kind in now}
    return frozenset((schema, name) for _, schema, name, _ in gone) - relations.needed


def _left_behind(
    context: StepContext, watch: LockWatch, target: TargetFacts, aside: Collection[Name]
) -> LeftBehind:
    def compare(source: Connection[TupleRow]) -> LeftBehind:
        try:
            with closing(context.connect_admin(target.connection)) as admin:
                abilities = read_abilities(admin).as_tried(
                    created=target.tried_extensions, refused=target.refused_extensions
                )
                return find_left_behind(source, abilities, aside, context.spec.workflow.leave_out)
        except psycopg.Error as error:
            raise database_failure("The source and the target could not be compared.", error) from None

    return read_source(context, watch, "what a target cannot have", compare)


def _beside_the_dump(
    source: Connection[TupleRow],
) -> tuple[
    tuple[SequenceValue, ...],
    tuple[tuple[str, str], ...],
    dict[int, int],
    bool,
    tuple[tuple[str, str, str], ...],
]:
    try:
        public = source.execute("SELECT FROM pg_namespace WHERE nspname = 'public'").fetchone()
        return (
            tuple(read_sequences(source)),
            tuple((schema, name) for schema, name in source.execute(_FILLED_VIEWS)),
            dict(source.execute(_INDEX_BYTES).fetchall()),
            public is not None,
            tuple((schema, table, name) for schema, table, name in source.execute(_NULL_IN_CHILDREN)),
        )
    except psycopg.Error as error:
        raise database_failure("The source's sequences and indexes could not be read.", error) from None


def _say_what_is_aside(
    context: StepContext, aside: Collection[Name], left_behind: Collection[LeftBehind]
) -> None:
    if not aside:
        return
    # The reason of what is set aside itself begins with a capital letter.
    items = (item for found in left_behind for item in found.items if SET_ASIDE in item.why)
    needing = sorted({f"{item.kind} {item.name}" for item in items})
    also = f" Nor has it what needs them: {', '.join(needing[:20])}." if needing else ""
    context.notice(f"The twin does not have {described(aside)}: {SET_ASIDE}.{also}")
