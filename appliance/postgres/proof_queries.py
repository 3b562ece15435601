"""The SQL with which ``verify`` searches one relation of the twin: one pass, whatever there is to prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.postgres.copy_sql import quoted
from appliance.postgres.evidence import SEED, Loaded, Proved, pairing, places, row_hash, value_text
from appliance.postgres.ledger import SCHEMA
from appliance.postgres.plan import PlannedTable

# Beside the relation's own columns, so named that none of them is called so.
_ROW = "appliance_row_hash"
_GATHERED = "appliance_row_gathered"


@dataclass(frozen=True)
class Search:
    """Everything about one relation that its queries are made from."""

    loaded: Loaded
    table: PlannedTable
    facets: tuple[Proved, ...]
    converted: bool
    """Text is converted before it is hashed, as it was on the source."""
    one_in: int = 1
    """A power of two: beside the gathered rows, one row in so many is searched, chosen by its keyed hash."""

    @property
    def paired(self) -> bool:
        """Whether rows of the twin can be told to be those of the source."""
        return bool(pairing(self.table))

    def place(self, each: Proved) -> int:
        """Where a facet's hash stands in a row of evidence."""
        return places(self.table)[each.number]


def row_count(loaded: Loaded) -> str:
    """A query of one number: all rows of the relation."""
    return f"SELECT count(*) {_rows(loaded)}"


def counting(search: Search, counted: Sequence[Proved], *, whole: bool) -> str:
    """A query of one row: rows searched, rows that were gathered, then for each facet four numbers.

    Those are: values looked at, values (or rows) that the source has too, values outside the mask's domain,
    rows in which something is left. At the end, for each of ``counted``, its distinct values in the rows that
    were gathered, which are all if ``whole``.
    """
    numbers = [number for each in search.facets for number in _numbers(search, each)]
    eager = "".join(f", {_eager(search, each)}" for each in search.facets)
    gathered, looked_at = "false", ""
    if search.paired:
        gathered = f"{_ROW} IN {_evidence(search, 1)}"
        if search.one_in > 1:
            looked_at = f" WHERE {_GATHERED} OR {_ROW} & {search.one_in - 1} = 0"
    among = "" if whole else f" FILTER (WHERE {_GATHERED})"
    distinct = [f"count(DISTINCT {_name(each)}){among}" for each in counted]
    counts = ", ".join(["count(*)", f"count(*) FILTER (WHERE {_GATHERED})", *numbers, *distinct])
    return (
        f"SELECT {counts} FROM (SELECT s.*{eager} FROM"  # noqa: S608
        f" (SELECT r.*, {gathered} AS {_GATHERED} FROM {_hashed_rows(search)} OFFSET 0) AS s{looked_at}"
        " OFFSET 0) AS q"
    )


def met_values(search: Search, each: Proved) -> str:
    """How many distinct values there are among the rows that kept theirs."""
    value = value_text(each, converted=search.converted)
    paired = f"hashtextextended({value}, {_ROW}) IN {_evidence(search, search.place(each))}"
    return (
        f"SELECT count(DISTINCT hashtextextended({value}, {SEED}))"  # noqa: S608
        f" FROM {_hashed_rows(search)} WHERE {_ROW} IN {_evidence(search, 1)} AND {paired}"
    )


def evidence_facts(search: Search) -> str:
    """A query of one row: gathered rows, distinct row hashes, then for each facet its distinct hashes."""
    numbers = [
        f"count(DISTINCT hashes[{search.place(each)}])" if each.hashed else "0" for each in search.facets
    ]
    counts = ", ".join(["count(*)", "count(DISTINCT hashes[1])", *numbers])
    return f"SELECT {counts} FROM {SCHEMA}.evidence WHERE relation = {search.loaded.number}"  # noqa: S608


def same_values(search: Search, each: Proved) -> str:
    """Whether the twin's values (with what is kept beside them) are the source's, each as often.

    For rows that cannot be told apart, where all of the source's were gathered.
    """
    key = _ROW if search.paired else SEED
    value = f"hashtextextended({value_text(each, converted=search.converted)}, {key})"
    twin = _counted(f"SELECT {value} AS h FROM {_hashed_rows(search)}")  # noqa: S608
    place = search.place(each)
    source = _counted(
        f"SELECT hashes[{place}] AS h FROM {SCHEMA}.evidence WHERE relation = {search.loaded.number}"  # noqa: S608
    )
    return f"SELECT NOT EXISTS (({twin}) EXCEPT ({source})) AND EXISTS ({twin})"


def _counted(hashes: str) -> str:
    return f"SELECT h, count(*) FROM ({hashes}) AS v WHERE h IS NOT NULL GROUP BY h"  # noqa: S608


def _rows(loaded: Loaded) -> str:
    """``FROM …`` for the relation's own rows."""
    relation = quoted(loaded.relation.schema_name, loaded.relation.name)
    return f"FROM {'ONLY ' if loaded.only else ''}{relation} AS t"


def _hashed_rows(search: Search) -> str:
    """A subquery ``r`` of the relation's columns and each row's hash, computed once."""
    names = [quoted(column.name) for column in pairing(search.table)]
    key = row_hash(search.table, names, converted=search.converted)
    return f"(SELECT t.*, {key} AS {_ROW} {_rows(search.loaded)} OFFSET 0) AS r"


def _evidence(search: Search, place: int) -> str:
    """The gathered hashes in one place, as the right side of IN: the server makes a hash table of them."""
    return (
        f"(SELECT hashes[{place}] FROM {SCHEMA}.evidence"  # noqa: S608
        f" WHERE relation = {search.loaded.number} AND hashes[{place}] IS NOT NULL)"
    )


def _eager(search: Search, each: Proved) -> str:
    """What is computed for every row, under the facet's own name."""
    proof, value = each.facet.proof, value_text(each, converted=search.converted)
    if proof == "disjoint":
        return f"hashtextextended({value}, {SEED}) AS {_name(each)}"
    if proof == "partial":
        return f"({each.facet.leak_sql}) AS {_name(each)}"
    if proof in ("constant", "outside_domain"):
        return f"{value_text(each, converted=False)} AS {_name(each)}"
    return f"CASE WHEN {_GATHERED} THEN {value} END AS {_name(each)}"


def _numbers(search: Search, each: Proved) -> tuple[str, str, str, str]:
    proof, name = each.facet.proof, _name(each)
    if proof == "partial":
        return "count(*)", "0", "0", f"count(*) FILTER (WHERE {name})"
    if proof == "disjoint":
        met = f"count(*) FILTER (WHERE {name} IN {_evidence(search, search.place(each))})"
        return f"count({name})", met, "0", "0"
    if proof == "constant":
        return f"count({name})", "0", _outside(each), "0"
    value = name
    if proof == "outside_domain" and search.converted:
        value = f"CASE WHEN {_GATHERED} THEN {value_text(each, converted=True)} END"
    kept = f"hashtextextended({value}, {_ROW}) IN {_evidence(search, search.place(each))}"
    met = f"count(*) FILTER (WHERE CASE WHEN {_GATHERED} THEN {kept} END)" if search.paired else "0"
    return f"count({name})", met, _outside(each), "0"


def _outside(each: Proved) -> str:
    name = _name(each)
    if each.facet.output_domain_sql is None:
        return f"count({name})" if each.facet.proof == "constant" else "0"
    members = f"SELECT d.member FROM ({each.facet.output_domain_sql}) AS d (member)"  # noqa: S608
    return f"count(*) FILTER (WHERE {name} NOT IN ({members}))"


def _name(each: Proved) -> str:
    return f"appliance_value_{each.number}"
