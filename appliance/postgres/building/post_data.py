"""Builds indexes and keys, then foreign keys, then triggers, rules and policies over the filled tables.

Each object is made in a transaction of its own that first writes its line into the ledger, so that a second
attempt, also one that overlaps the first, makes it once. Foreign keys are added unchecked, which is instant,
and then checked in parallel: that takes no lock which another check waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from appliance.postgres.building.index_memory import builds_b_tree, limit_sort_memory
from appliance.postgres.building.made_object import Building, MadeObject, referenced_by
from appliance.postgres.building.once import claimed
from appliance.postgres.no_encoding import bytes_of, is_plain
from appliance.postgres.sessions.parallel_jobs import Job, Session
from appliance.postgres.source.archive_contents import Entry

KEYS, CHECKS, FOREIGN_KEYS = "indexes and keys", "checks", "foreign keys"
REST = "triggers, rules and policies"
PHASES = (KEYS, CHECKS, FOREIGN_KEYS, REST)
_PHASE_OF = {"INDEX": KEYS, "CONSTRAINT": KEYS, "INDEX ATTACH": KEYS, "FK CONSTRAINT": FOREIGN_KEYS}
_TABLES = {"TABLE", "MATERIALIZED VIEW"}
_MAX_MAINTENANCE_KB = 256 * 1024
_EVERY_FOREIGN_KEY = "every foreign key"
_BRIEF = 1 << 20
"""Bytes of a table below which several objects are made in one transaction: beginning takes longer."""
_CHECKED_AT_ONCE = 8 << 20
"""Bytes of the larger table of a foreign key below which it is added and checked in one go."""


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
    made = MadeObject(building, entry, about)
    key, needs = made.key, made.needs
    brief = phase == PHASES.index(REST) or max(size, building.index_bytes.get(entry.oid, 0)) < _BRIEF
    statement = bytes_of(entry.sql)
    if not brief and entry.kind in ("INDEX", "CONSTRAINT") and builds_b_tree(entry.sql):
        statement = limit_sort_memory(size).encode() + statement
    if entry.kind != "FK CONSTRAINT":
        # Several indexes can be built on a table at a time; everything else wants it for itself.
        alone = entry.kind != "INDEX" or "\nALTER TABLE" in entry.sql
        locks = {_label(table): alone for table in about}
        script = claimed(key, statement) if brief and is_plain(statement) else None
        yield Job(key, partial(made.build, statement=statement), rank, needs, locks, script, made.setup)
        return
    match = made.foreign_key
    # A check does not reach the constraints that each partition of a referenced table has of its own.
    partitions = match is None or not match["only"] or referenced_by(match) in building.partitioned
    # Adding a foreign key locks both tables, and the partitions of both.
    locks = {_EVERY_FOREIGN_KEY: partitions} | {_label(table): True for table in about}
    small = size < _CHECKED_AT_ONCE and not made.may_dangle
    script = claimed(key, statement) if brief and is_plain(statement) and not made.may_dangle else None
    if match is None or partitions or "NOT VALID" in entry.sql:
        yield Job(key, partial(made.reference, statement=statement), rank, needs, locks, script, made.setup)
        return
    unchecked = statement.rstrip().removesuffix(b";") + b" NOT VALID"
    if small:
        run = partial(made.reference, statement=statement, unchecked=unchecked)
        yield Job(key, run, rank, needs, locks, script, made.setup)
        return
    first = (phase, float("-inf"), number)
    yield Job(key, partial(made.reference, statement=unchecked), first, needs, locks)
    check = f"ALTER TABLE {match['table']} VALIDATE CONSTRAINT {match['name']}"
    yield Job(
        f"{key} checked",
        partial(made.check, statement=bytes_of(check)),
        rank,
        frozenset({key}),
        # A check keeps other changes from the referring table, and only reads the other.
        {_EVERY_FOREIGN_KEY: False, match["table"]: True},
    )


def _label(table: Entry) -> str:
    return f"{table.schema_name}.{table.tag}"
