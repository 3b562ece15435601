"""What ``verify`` needs from the source: hashes of what masks give, and counts, gathered with the rows.

For a sample of rows the source's own server says what each mask gives for the row: a keyed hash that is bound
to the row. Originals it compares for itself, piece by piece: it counts the values that a mask was given,
those that came out as they were (or, where no output may be an original, as any row of the sample was), and
how many were distinct before and after. Hashes of what stands in the twin, and counts, are all that travels;
nothing that is made from an original does. They land in the ledger of ``<twin>__next``, in the transaction
that copies the same rows, and go when verification is over. The key follows from the appliance's key and the
run's id and is never stored.

A table of up to ``EXACT_ROWS`` rows gives all of them, a larger one a tenth, from pages all over it, and at
most ``MOST_ROWS``.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.masking.compiled import Binding
from appliance.masking.expressions.permutation import drawn_once
from appliance.postgres.copying.copy_sql import rows_of
from appliance.postgres.copying.copy_stream import HalfBrokeError, pipe, pipe_all
from appliance.postgres.copying.ledger import SCHEMA
from appliance.postgres.copying.subject_lookups import selected
from appliance.postgres.errors import database_failure
from appliance.postgres.identifiers import quoted
from appliance.postgres.plan import CopyItem, Plan
from appliance.postgres.proof.hashes import (
    NOTHING,
    SETTING,
    Finder,
    encodings_differ,
    hashed,
)
from appliance.postgres.proof.parts import Loaded, Part, Proved, finder_of, out_text, parts
from appliance.postgres.proof.sample import budget, by_odds, sampled

TABLE = f"{SCHEMA}.evidence"
FOUND = "appliance_found"


def bindings(plan: Plan) -> tuple[Binding, ...]:
    """The run's key: bound on the source for ``gather``, and in the twin for ``verify``."""
    return (Binding(setting=SETTING, part="key", domain=f"evidence:{plan.run_id}"),)


def create(connection: Connection[TupleRow]) -> None:
    """Add the evidence's table to the ledger's schema; what is there is kept.

    A row for each row of the sample, and one for each facet of each piece, with what the source has counted.

    Not UNLOGGED: a server that crashes empties such a table, and nothing would be left to prove with.
    """
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (relation integer NOT NULL, part smallint NOT NULL,"
        " by_number bigint, by_uuid uuid, by_hash bytea, hashes bytea[],"
        " facet integer, given bigint, met bigint, originals bigint, outputs bigint)"
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
        ).rows - len(part.counted)

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
    """The query of a part's evidence over ``rows``: a row for each, and one for each counted facet."""
    row = found.row_bytes(FOUND)
    outs = [
        f"coalesce({hashed(f'out_{number}', part.tag(column), row, converted=converted)}, {NOTHING})"
        for number, column in enumerate(part.made)
    ]
    of_row = [FOUND, f"ARRAY[{', '.join(outs)}]::bytea[] AS hashes", *_names_of_compared(part)]
    given = f"SELECT {', '.join(of_row)} FROM ({_values(found, part, rows, converted=converted)}) AS v"  # noqa: S608
    places = {"by_number": "NULL::bigint", "by_uuid": "NULL::uuid", "by_hash": "NULL::bytea"}
    here = {**places, found.kept_in: FOUND}
    numbers = f"{part.relation}::integer, {part.number}::smallint"
    no_counts = "NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint"
    each_row = f"SELECT {numbers}, {', '.join(here.values())}, hashes, {no_counts}"
    if not part.counted:
        return drawn_once(f"{each_row} FROM ({given}) AS g")
    no_row = f"{numbers}, {', '.join(places.values())}, NULL::bytea[]"
    counts = [f"SELECT {no_row}, {_COUNTS} FROM ({query}) AS c" for query in _counts(part)]  # noqa: S608
    return drawn_once(
        f"WITH g AS MATERIALIZED ({given}) {each_row} FROM g UNION ALL {' UNION ALL '.join(counts)}"
    )


_COUNTS = "facet::integer, given::bigint, met::bigint, originals::bigint, outputs::bigint"
_AT_ONCE = 8
"""Facets counted in one look at the rows: each is sorted three times, in the source's memory."""


def _names_of_compared(part: Part) -> list[str]:
    by_row = [f"{what}_{each.number}" for what in ("asked", "kept") for each in part.by_row]
    return [*by_row, *(f"{what}_{each.number}" for what in ("was", "now") for each in part.disjoint)]


def _compared(part: Part) -> list[str]:
    """What is counted later, as hashes: values may be long. Nothing of this leaves the source."""
    found = []
    for each in part.by_row:
        was, number = f"appliance_was_{each.number}", each.number
        found.append(f"{was} IS NOT NULL AS asked_{number}")
        found.append(f"CASE WHEN {was} = {each.value} THEN hashtextextended({was}, 0) END AS kept_{number}")
    for each in part.disjoint:
        found.append(f"hashtextextended(appliance_was_{each.number}, 0) AS was_{each.number}")
        now = f"CASE WHEN {_holds(each)} THEN {each.value} END" if each.facet.where_sql else each.value
        found.append(f"hashtextextended({now}, 0) AS now_{each.number}")
    return found


def _holds(each: Proved) -> str:
    """Whether the row is one of those of which it is to be proven."""
    return f"appliance_holds_{each.number}"


def _counts(part: Part) -> list[str]:
    """Queries over ``g`` of a row for each facet that is counted."""
    found = []
    for facets in _groups(part.by_row):
        given = [f"count(*) FILTER (WHERE asked_{each.number})" for each in facets]
        kept = [f"count(DISTINCT kept_{each.number})" for each in facets]
        found.append(_row_each(facets, given, kept, ["0"] * len(facets), ["0"] * len(facets)) + " FROM g")
    for facets in _groups(part.disjoint):
        given = [f"count(was_{each.number}) FILTER (WHERE is_was)" for each in facets]
        originals = [f"count(DISTINCT was_{each.number}) FILTER (WHERE is_was)" for each in facets]
        outputs = [f"count(DISTINCT now_{each.number}) FILTER (WHERE NOT is_was)" for each in facets]
        all_of = [
            f"count(DISTINCT CASE WHEN is_was THEN was_{each.number} ELSE now_{each.number} END)"
            for each in facets
        ]
        # What is in both sets is counted twice without looking at them together.
        met = [
            f"{one} + {other} - {both}" for one, other, both in zip(originals, outputs, all_of, strict=True)
        ]
        twice = " FROM g CROSS JOIN (VALUES (true), (false)) AS twice (is_was)"
        found.append(_row_each(facets, given, met, originals, outputs) + twice)
    return found


def _groups(facets: Sequence[Proved]) -> list[Sequence[Proved]]:
    return [facets[first : first + _AT_ONCE] for first in range(0, len(facets), _AT_ONCE)]


def _row_each(facets: Sequence[Proved], *numbers: Sequence[str]) -> str:
    names = ("given", "met", "originals", "outputs")
    columns = [
        f"unnest(ARRAY[{', '.join(each)}]) AS {name}" for name, each in zip(names, numbers, strict=True)
    ]
    facet = f"unnest(ARRAY[{', '.join(str(each.number) for each in facets)}]) AS facet"
    return f"SELECT {', '.join([facet, *columns])}"


def _values(found: Finder, part: Part, rows: str, *, converted: bool) -> str:
    """What a row is found by, what the masks give for it, and what is counted, each computed once.

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
    was = [f"{each.original} AS appliance_was_{each.number}" for each in part.counted]
    was += [f"({each.facet.where_sql}) AS {_holds(each)}" for each in part.disjoint if each.facet.where_sql]
    masked = [f"{column.sql} AS {quoted(column.name)}" for column in part.columns]
    wanted = ", ".join([*keys, *was, *masked])
    inner = f"{selected(wanted, rows, (*part.columns, *found.columns))} OFFSET 0"
    outer = [
        f"{found.found_by(by_key, converted=converted)} AS {FOUND}",
        *_compared(part),
        *(f"{out_text(column)} AS out_{number}" for number, column in enumerate(part.made)),
    ]
    return f"SELECT {', '.join(outer)} FROM ({inner}) AS m OFFSET 0"  # noqa: S608
