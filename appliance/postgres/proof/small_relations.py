"""Small relations of a twin, proven together: one round trip for many, where each by itself takes several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.plan import Plan
from appliance.postgres.proof import queries
from appliance.postgres.proof.parts import Loaded, finder_of
from appliance.postgres.proof.queries import Search
from appliance.postgres.proof.results import TableProof
from appliance.postgres.proof.verdicts import PartVerdict, proof_of
from appliance.postgres.proof.verification import prove, searches, what_was_gathered

MOST_ROWS = 2_000
_MOST_COLUMNS = 50
TOGETHER = 25


@dataclass(frozen=True)
class Expected:
    """A relation, and the rows that the source's server has sent of it."""

    loaded: Loaded
    rows: int


def is_small(plan: Plan, expected: Expected) -> bool:
    """Whether a relation may be proven with others: its queries are few and short."""
    masked = plan.tables[expected.loaded.number].masked_columns
    if expected.rows > MOST_ROWS or len(masked) > _MOST_COLUMNS:
        return False
    # Without a key, what the masks gave is looked for in another way.
    return not masked or finder_of(plan, expected.loaded).unique


def prove_together(
    connection: Connection[TupleRow], plan: Plan, relations: Sequence[Expected]
) -> list[TableProof]:
    """What came of each of them, as ``prove`` finds it. Raises psycopg errors, whichever is at fault."""
    gathered = what_was_gathered(connection, [each.loaded for each in relations])
    wanted: list[tuple[Expected, list[Search]]] = []
    script: list[str] = []
    proofs: dict[int, TableProof] = {}
    for each in relations:
        masked = plan.tables[each.loaded.number].masked_columns
        found = searches(connection, plan, each.loaded, each.rows) if masked else []
        if any(gathered.told_apart(search) is not search for search in found):
            proofs[each.loaded.number] = prove(connection, plan, each.loaded, each.rows)
            continue
        wanted.append((each, found))
        script += [
            queries.counting(search, whole=gathered.of(search).rows == each.rows) for search in found
        ] or [queries.row_count(each.loaded)]
    answers = _answers(connection, script)
    for each, found in wanted:
        if not found:
            (rows,) = next(answers)
            proofs[each.loaded.number] = proof_of(each.loaded, rows, each.rows, ())
            continue
        parts = [
            PartVerdict(search, each.rows, gathered.of(search), numbers)
            for search, numbers in zip(found, answers, strict=False)
        ]
        # All rows of a small relation are searched, and so they are counted.
        proofs[each.loaded.number] = proof_of(each.loaded, parts[0].searched, each.rows, parts)
    return [proofs[each.loaded.number] for each in relations]


def _answers(connection: Connection[TupleRow], script: Sequence[str]) -> Iterator[TupleRow]:
    """The one row of each query, all of them sent at once."""
    cursor = connection.execute(";\n".join(script).encode())
    rows: list[TupleRow] = []
    while True:
        rows += cursor.fetchall()
        if not cursor.nextset():
            return iter(rows)
