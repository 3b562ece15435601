"""The last work inside a twin: materialised views are filled from its masked rows, statistics are taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import psycopg

from appliance.postgres.building.as_in_source import set_as_in_source
from appliance.postgres.building.function_advice import function_advice, in_the_source
from appliance.postgres.copying import ledger
from appliance.postgres.errors import named_failure, retry_can_help
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import DefinitionSettings, Settings
from appliance.postgres.sessions.kept_sessions import KeptSessions
from appliance.postgres.sessions.parallel_jobs import Job, Session, run_jobs
from appliance.postgres.source.archive_contents import Entry

_VIEWS = """
WITH RECURSIVE reads AS MATERIALIZED (
    SELECT r.ev_class AS view, d.refobjid AS read FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_class'::regclass
    WHERE r.rulename = '_RETURN' AND d.refobjid <> r.ev_class
), reach AS (
    SELECT r.view, r.read FROM reads AS r JOIN pg_class AS c ON c.oid = r.view WHERE c.relkind = 'm'
    UNION
    SELECT f.view, r.read FROM reach AS f JOIN reads AS r ON r.view = f.read
)
SELECT n.nspname::text, c.relname::text, c.oid::text,
    coalesce((SELECT array_agg(f.read::text) FROM reach AS f JOIN pg_class AS m ON m.oid = f.read
              WHERE f.view = c.oid AND m.relkind = 'm'), '{}')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated
"""

_SMALL = 1 << 20
"""Bytes of a table below which several are analysed by one statement."""
_AT_ONCE = 50

# A partitioned table takes its partitions with it; so does nothing else.
_TABLES = """
SELECT n.nspname::text, c.relname::text, c.oid::text, pg_table_size(c.oid)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND n.nspname !~ '^pg_'
    AND n.nspname NOT IN ('information_schema', %s)
"""


def refresh(
    sessions: KeptSessions,
    parallel: int,
    wanted: Iterable[tuple[str, str]],
    settings: DefinitionSettings,
    done: Callable[[int, int], None],
    *,
    entries: Sequence[Entry] = (),
) -> list[str]:
    """Fill the materialised views that the source has filled, each after those it reads, under ``settings``.

    Returns sentences about those that stay empty because they fail on masked rows (a cast, a unique index):
    that is no reason to have no twin. ``done`` gets how many are filled, and how many there are. What mends a
    function is said where ``entries`` has it.
    Raises ApplianceError where a retry can help.
    """
    filled = set(wanted)
    notes: dict[str, str] = {}
    count = len(filled)
    while True:
        with sessions.session() as session:
            rows = [row for row in session.execute(_VIEWS).fetchall() if (row[0], row[1]) in filled]
        failed: dict[str, str] = {}
        jobs = [
            Job(
                oid,
                _refresher((schema, name), settings.of(schema, name), oid, failed, entries),
                (number,),
                frozenset(needs) - {oid},
                {oid: True},
            )
            for number, (schema, name, oid, needs) in enumerate(rows)
        ]
        run_jobs(jobs, sessions.open, parallel, close=sessions.close)
        done(count - len(failed), count)
        # One that reads another through a function is not known to need it: tried again while that helps.
        if not failed or len(failed) == len(rows) or failed.keys() == notes.keys():
            return list(failed.values())
        notes = failed


def _refresher(
    view: tuple[str, str], settings: Settings, oid: str, failed: dict[str, str], entries: Sequence[Entry]
) -> Callable[[Session], None]:
    name = ".".join(view)
    # Its functions may rely on what a session has set, as they do for the source's users.
    statement = f"{set_as_in_source(settings, 'evaluate')}REFRESH MATERIALIZED VIEW {quoted(*view)}"

    def run(session: Session) -> None:
        try:
            with session.transaction():
                session.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:
            raise
        except psycopg.Error as error:
            if retry_can_help(error):
                raise named_failure(f"The materialised view {name} could not be filled.", error) from None
            advice = function_advice(error, entries, settings)
            failed[oid] = (
                f"The materialised view {name} is empty: its query fails on the twin's rows"
                f" (SQLSTATE {error.sqlstate})." + (f" {in_the_source(advice)}" if advice else "")
            )

    return run


def analyze(
    sessions: KeptSessions,
    parallel: int,
    settings: DefinitionSettings,
    done: Callable[[int, int], None],
) -> list[str]:
    """Take statistics of every table, the largest first; returns what could not be analysed.

    What indexes compute is computed again for their statistics, under ``settings``.
    """
    with sessions.session() as session:
        rows: Sequence[tuple[str, str, str, int]] = session.execute(_TABLES, [ledger.SCHEMA]).fetchall()
    notes: list[str] = []
    jobs = [
        Job(oid, _analyzer([(schema, name)], settings, notes), (-size,))
        for schema, name, oid, size in rows
        if size >= _SMALL
    ]
    small = [(schema, name) for schema, name, _, size in rows if size < _SMALL]
    # Those of one owner's settings stand together.
    small.sort(key=lambda table: settings.of(*table))
    jobs += [
        Job(f"small {start}", _analyzer(small[start : start + _AT_ONCE], settings, notes), (0,))
        for start in range(0, len(small), _AT_ONCE)
    ]
    finished = [0]

    def count(_: Job) -> None:
        finished[0] += 1
        done(finished[0], len(jobs))

    run_jobs(jobs, sessions.open, parallel, count, sessions.close)
    return notes


def _analyzer(
    tables: Sequence[tuple[str, str]], settings: DefinitionSettings, notes: list[str]
) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        try:
            with session.transaction():
                for here, some in itertools.groupby(tables, key=lambda table: settings.of(*table)):
                    session.execute((set_as_in_source(here, "evaluate") + _analyze_statement(some)).encode())
        except psycopg.Error as error:
            names = ", ".join(f"{schema}.{name}" for schema, name in tables[:3])
            if retry_can_help(error):
                raise named_failure(f"{names} could not be analysed.", error) from None
            if len(tables) > 1:
                for table in tables:
                    _analyzer([table], settings, notes)(session)
            else:
                notes.append(f"There are no statistics of {names} (SQLSTATE {error.sqlstate}).")

    return run


def _analyze_statement(tables: Iterable[tuple[str, str]]) -> str:
    return f"ANALYZE {', '.join(quoted(*table) for table in tables)}"
