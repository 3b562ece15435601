"""Have the source count, for itself, which originals of masked columns stand in columns that are kept."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.discovery.kept.many_originals import NAMES_SETTING, ManyOriginals
from appliance.discovery.kept.originals_query import VALUES_PLACE, OriginalsQuery
from appliance.discovery.name_list import known_names
from appliance.postgres.errors import database_failure
from appliance.postgres.proof.kept import KeptOnSource, OriginalsCounted, OriginalsMet, counted_together
from appliance.postgres.source.lock_watch import LockWatch
from appliance.steps.calling.context import StepContext
from appliance.steps.records.column_files import KEPT
from appliance.steps.records.run_files import ORIGINALS
from appliance.steps.source.reading import read_source
from appliance.subjects.erased import ERASED_KEY

STATEMENT_TIMEOUT_S = 120
LONGEST_S = 600
_LOCK_TIMEOUT_S = 2
_WORK_MEM_MB = 64
"""Of the source's memory, for each of a few hash tables in the one session."""
_WHY = {
    "57014": f"comparing it took longer than {STATEMENT_TIMEOUT_S} seconds",
    "55P03": "a table was locked by another session",
    "40001": "the standby had to go on",
    "53100": "the source has no room for temporary files",
    "53400": "the source allows no more temporary files",
    "54000": "its texts have too many words to be compared with those of so many tables",
    "53200": "the source has no memory, or no room in its lock table, for it",
}


def count_originals(context: StepContext, watch: LockWatch, encoding: str) -> None:
    """Count, in the run's snapshot, and write ``originals.json``. Raises our errors.

    Without a key, but for that of erased subjects' digests where rows about them are left out.
    What takes too long or is in another session's way is not compared, and said so: it stops no run.
    """
    if not KEPT.is_in(context.run_dir):
        return
    look = KEPT.read(context.run_dir)
    found: list[KeptOnSource] = []
    give_up = time.monotonic() + LONGEST_S
    for keys in ((), (ERASED_KEY.setting,)):
        queries = [query for query in look.queries if query.keyed == bool(keys)]
        many = [each for each in look.many if each.keyed == bool(keys)]
        if queries or many:
            found += read_source(
                context,
                watch,
                "the kept columns",
                partial(_counted, queries=queries, many=many, encoding=encoding, give_up=give_up),
                keys=keys,
            )
    ORIGINALS.write(context.run_dir, OriginalsCounted(columns=counted_together(found)))


def _counted(
    source: Connection[TupleRow],
    *,
    queries: Sequence[OriginalsQuery],
    many: Sequence[ManyOriginals],
    encoding: str,
    give_up: float,
) -> list[KeptOnSource]:
    found: list[KeptOnSource] = []
    for query in queries:
        rows, why = _tried(source, query.sql, give_up, names=known_names(encoding))
        found += _met(rows, query.kept, query.masked) if why is None else _not_compared(query.kept, why)
    for each in many:
        found += _counted_of_many(source, each, encoding, give_up)
    return found


def _counted_of_many(
    source: Connection[TupleRow], many: ManyOriginals, encoding: str, give_up: float
) -> list[KeptOnSource]:
    """What is gathered stands in the transaction's settings until this ends."""
    found: list[KeptOnSource] = []
    with source.transaction(force_rollback=True):
        source.execute("SELECT length(set_config(%s, %s, true))", (NAMES_SETTING, known_names(encoding)))
        missing: set[tuple[str, str]] = set()
        for gathering in many.gatherings:
            _, why = _tried(source, gathering.sql, give_up, gathers=True)
            if why is not None:
                missing.update(gathering.kept)
                found += _not_compared(gathering.kept, why)
        for counting in many.countings:
            rows, why = _tried(source, counting.sql, give_up)
            if why is None:
                found += [
                    each
                    for each in _met(rows, many.kept, counting.masked)
                    if (each.table, each.column) not in missing
                ]
            else:
                found += _not_compared(many.kept, why)
    return found


def _tried(
    source: Connection[TupleRow],
    sql: str,
    give_up: float,
    *,
    names: str | None = None,
    gathers: bool = False,
) -> tuple[list[TupleRow], str | None]:
    """The rows of a statement, or why there are none. What it ``gathers`` stays, and all else is undone."""
    if time.monotonic() > give_up:
        return [], f"comparing took longer than {LONGEST_S // 60} minutes"
    try:
        with source.transaction(force_rollback=not gathers):
            _set_up(source)
            answer = source.execute(sql.encode(), None if names is None else {"names": names})
            return ([] if gathers else answer.fetchall()), None
    except psycopg.Error as error:
        why = _WHY.get(error.sqlstate or "")
        if why is None or source.closed:
            raise database_failure("The kept columns could not be compared.", error) from None
        return [], why


def _set_up(source: Connection[TupleRow]) -> None:
    source.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
    source.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'")
    # How many words a text has is not known to the planner, which would look each up among all originals.
    source.execute("SET LOCAL enable_nestloop = off")
    # What that costs in its eyes hides what sorting does: hash tables are a fraction of it.
    source.execute(f"SET LOCAL enable_sort = off; SET LOCAL work_mem = '{_WORK_MEM_MB}MB'")


def _met(
    rows: Sequence[TupleRow], kept: Sequence[tuple[str, str]], masked_columns: Sequence[str]
) -> list[KeptOnSource]:
    texts: dict[int, int] = {}
    met: dict[int, list[tuple[int, int, int, int, int]]] = defaultdict(list)
    for place, masked, telling, telling_different, words, words_different in rows:
        if masked == VALUES_PLACE:
            texts[place] = telling
        else:
            met[place].append((masked, telling, telling_different, words, words_different))
    return [
        KeptOnSource(
            table=table,
            column=column,
            texts=texts.get(place, 0),
            met=tuple(
                OriginalsMet(
                    masked=masked_columns[masked],
                    telling=telling,
                    telling_different=telling_different,
                    words=words,
                    words_different=words_different,
                    texts=texts.get(place, 0),
                )
                for masked, telling, telling_different, words, words_different in sorted(met[place])
            ),
        )
        for place, (table, column) in enumerate(kept)
    ]


def _not_compared(kept: Sequence[tuple[str, str]], why: str) -> list[KeptOnSource]:
    return [KeptOnSource(table=table, column=column, not_compared=why) for table, column in kept]
