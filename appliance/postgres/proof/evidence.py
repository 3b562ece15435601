"""What ``verify`` needs from the source: keyed hashes, gathered while the snapshot is open.

For a sample of rows the source's own server says what each mask gives for the row (a hash that is bound to
the row), and what stood there before where no original may stand in the twin at all. It also counts how many
values a mask has left as they were. Hashes and counts are all that travels: see ``evidence_hashes`` for why
nobody who sees them can try a guess. They land in the ledger of ``<twin>__next``, in the transaction that
copies the same rows, and go when verification is over. The keys follow from the appliance's key and the run's
id and are never stored.

A table of up to ``EXACT_ROWS`` rows gives all of them, a larger one a tenth, from pages all over it, and at
most ``MOST_ROWS``.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.compiled import Binding, CompiledColumn
from appliance.masking.permutation import drawn_once
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.copy_stream import HalfBrokeError, pipe, pipe_all
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.errors import database_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import CopyItem, Plan
from appliance.postgres.proof.hashes import (
    NOTHING,
    ROW_SETTING,
    VALUE_SETTING,
    Finder,
    encodings_differ,
    hashed,
)
from appliance.postgres.proof.parts import Loaded, Part, Proved, finder_of, out_text, parts
from appliance.postgres.proof.sample import budget, by_odds, sampled

TABLE = f"{SCHEMA}.evidence"
FOUND = "appliance_found"


def bindings(plan: Plan) -> tuple[Binding, ...]:
    """The run's two keys: bound on the source for ``gather``, and in the twin for ``verify``."""
    return (
        Binding(setting=ROW_SETTING, part="key", domain=f"evidence-row:{plan.run_id}"),
        Binding(setting=VALUE_SETTING, part="key", domain=f"evidence-value:{plan.run_id}"),
    )


def create(connection: Connection[TupleRow]) -> None:
    """Add the evidence's table to the ledger's schema; what is there is kept.

    Not UNLOGGED: a server that crashes empties such a table, and nothing would be left to prove with.
    """
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (relation integer NOT NULL, part smallint NOT NULL,"
        " by_number bigint, by_uuid uuid, by_hash bytea, hashes bytea[], given bigint[], kept bigint[])"
    )


def index(into: Connection[TupleRow]) -> None:
    """Make the gathered evidence quick to read; again is no error."""
    into.execute(f"CREATE INDEX IF NOT EXISTS evidence_relation ON {TABLE} (relation, part)")
    into.execute(f"ANALYZE {TABLE}")


def drop(connection: Connection[TupleRow]) -> None:
    """Remove the evidence: it has served, or nothing will be proven with it."""
    connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def is_there(connection: Connection[TupleRow]) -> bool:
    """Whether the evidence has not been removed yet."""
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE]).fetchone()
    return row is not None and bool(row[0])


def gather(  # noqa: PLR0917
    source: Connection[TupleRow],
    into: Connection[TupleRow],
    plan: Plan,
    item: CopyItem,
    rows: int,
    loaded: Loaded,
) -> None:
    """Bring one piece's evidence to the target, inside the transactions the caller has open on both.

    ``rows`` is how many the piece has, ``loaded`` what they are loaded into. The masks' keys
    and the run's must be bound on the source. Memory is constant. Raises our errors.
    """
    table = plan.tables[item.table]
    ours, theirs = (each.info.parameter_status("server_encoding") or "" for each in (source, into))
    converted = encodings_differ(ours, theirs)
    found = finder_of(plan, loaded)

    def bring(part: Part, where: str) -> int:
        return pipe(
            source.pgconn,
            into.pgconn,
            f"COPY ({gathering(found, part, where, converted=converted)}) TO STDOUT (FORMAT binary)",
            f"COPY {TABLE} FROM STDIN (FORMAT binary)",
            lambda _rows, _bytes: None,
        ).rows - bool(part.by_row)

    try:
        for part in parts(table, loaded.number, converted=converted) if rows else ():
            if not part.gathers:
                continue
            chosen = sampled(plan, item, rows, source.info.server_version)
            if rows <= budget(item, rows):
                bring(part, chosen)
                continue
            into.execute("SAVEPOINT evidence")
            brought = bring(part, chosen)
            if brought < min(rows, budget(item, rows) // 4):
                # Most pages are empty, and the chosen ones were.
                into.execute("ROLLBACK TO SAVEPOINT evidence")
                bring(part, by_odds(table, item, rows))
            into.execute("RELEASE SAVEPOINT evidence")
    except (HalfBrokeError, psycopg.Error) as error:
        cause = error.error if isinstance(error, HalfBrokeError) else error
        what = "What verification needs could not be gathered."
        raise database_failure(what, cause, table=table.qualified) from None


def gather_all(
    source: Connection[TupleRow],
    into: Connection[TupleRow],
    plan: Plan,
    pieces: Sequence[tuple[CopyItem, int, Loaded]],
) -> None:
    """The same for several pieces, each with its rows, so small that they give evidence of every row."""
    ours, theirs = (each.info.parameter_status("server_encoding") or "" for each in (source, into))
    converted = encodings_differ(ours, theirs)
    copies = [
        (
            f"COPY ({gathering(found, part, rows_of(plan.tables[item.table], item), converted=converted)})"
            " TO STDOUT (FORMAT binary)",
            f"COPY {TABLE} FROM STDIN (FORMAT binary)",
        )
        for item, rows, loaded in pieces
        if rows
        for found in (finder_of(plan, loaded),)
        for part in parts(plan.tables[item.table], loaded.number, converted=converted)
        if part.gathers
    ]
    if copies:
        pipe_all(source.pgconn, into.pgconn, copies, lambda _rows, _bytes: None)


def gathering(found: Finder, part: Part, rows: str, *, converted: bool) -> str:
    """The query of a part's evidence over ``rows``: a row for each of them, and one with the counts."""
    row = found.row_bytes(FOUND)

    def hash_of(what: Proved | CompiledColumn, text: str) -> str:
        return hashed(
            text, part.tag(what), row if isinstance(what, CompiledColumn) else None, converted=converted
        )

    outs = [
        f"coalesce({hash_of(column, f'out_{number}')}, {NOTHING})" for number, column in enumerate(part.made)
    ]
    originals = [hash_of(each, f"appliance_was_{each.number}") for each in part.disjoint]
    asked = [f"appliance_was_{each.number} IS NOT NULL AS asked_{each.number}" for each in part.by_row]
    # Distinct values are counted by a hash: they may be long.
    kept = [
        f"CASE WHEN appliance_was_{each.number} = now_{each.number}"
        f" THEN hashtextextended(appliance_was_{each.number}, 0) END AS kept_{each.number}"
        for each in part.by_row
    ]
    hashes = f"ARRAY[{', '.join([*outs, *originals])}]::bytea[] AS hashes"
    values = _values(found, part, rows, converted=converted)
    given = f"SELECT {', '.join([FOUND, hashes, *asked, *kept])} FROM ({values}) AS v"  # noqa: S608
    places = {"by_number": "NULL::bigint", "by_uuid": "NULL::uuid", "by_hash": "NULL::bytea"}
    here = {**places, found.kept_in: FOUND}
    numbers = f"{part.relation}::integer, {part.number}::smallint"
    each_row = f"SELECT {numbers}, {', '.join(here.values())}, hashes, NULL::bigint[], NULL::bigint[]"
    if not part.by_row:
        return drawn_once(f"{each_row} FROM ({given}) AS g")
    counts = ", ".join(f"count(*) FILTER (WHERE asked_{each.number})" for each in part.by_row)
    distinct = ", ".join(f"count(DISTINCT kept_{each.number})" for each in part.by_row)
    all_rows = f"{numbers}, {', '.join(places.values())}, NULL::bytea[], ARRAY[{counts}], ARRAY[{distinct}]"
    return drawn_once(
        f"WITH g AS MATERIALIZED ({given}) {each_row} FROM g UNION ALL SELECT {all_rows} FROM g"  # noqa: S608
    )


def _values(found: Finder, part: Part, rows: str, *, converted: bool) -> str:
    """What a row is found by, the originals, and what the masks give for them, each computed once.

    OFFSET 0 keeps the planner from computing a value again wherever it is read.
    """
    keys = [
        f"{column.sql} AS appliance_key_{number}"
        for number, column in enumerate(found.columns)
        if column not in part.columns
    ]
    by_key = [
        quoted(column.name) if column in part.columns else f"appliance_key_{number}"
        for number, column in enumerate(found.columns)
    ]
    compared = [*part.disjoint, *part.by_row]
    was = [f"{each.value} AS appliance_was_{each.number}" for each in compared]
    masked = [f"{column.sql} AS {quoted(column.name)}" for column in part.columns]
    inner = f"SELECT {', '.join([*keys, *was, *masked])} {rows} OFFSET 0"
    outer = [
        f"{found.found_by(by_key, converted=converted)} AS {FOUND}",
        *(f"appliance_was_{each.number}" for each in compared),
        *(f"{each.value} AS now_{each.number}" for each in part.by_row),
        *(f"{out_text(column)} AS out_{number}" for number, column in enumerate(part.made)),
    ]
    return f"SELECT {', '.join(outer)} FROM ({inner}) AS m OFFSET 0"  # noqa: S608
