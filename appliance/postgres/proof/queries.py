"""The SQL with which ``verify`` searches one relation of the twin: one pass, whatever there is to prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.masking.compiled import CompiledColumn
from appliance.postgres.identifiers import quoted
from appliance.postgres.proof.evidence import FOUND, TABLE
from appliance.postgres.proof.hashes import KEPT_IN, NOTHING, Finder, hashed
from appliance.postgres.proof.parts import Loaded, Part, Proved, out_text

# Beside the relation's own columns, so named that none of them is called so.
_GATHERED = "appliance_gathered"
_HASHES = "appliance_hashes"


@dataclass(frozen=True)
class Search:
    """Everything about one part of a relation that its queries are made from."""

    loaded: Loaded
    part: Part
    finder: Finder
    """What its rows are found by."""
    converted: bool
    """Text is converted before it is hashed, as it was on the source."""
    one_in: int = 1
    """A power of two: beside the gathered rows, one row in so many is searched."""
    seed: int = 0
    """Of the hash that chooses them."""

    @property
    def only_gathered(self) -> bool:
        """Whether what the masks gave is looked for in the gathered rows only, and not in all of them."""
        return bool(self.finder.columns)


def row_count(loaded: Loaded) -> str:
    """A query of one number: all rows of the relation."""
    return f"SELECT count(*) {_rows(loaded)}"


def gathered(relations: Sequence[int]) -> str:
    """A query of (relation, part, gathered rows, how many of them each of ``KEPT_IN`` sets apart)."""
    apart = ", ".join(f"count(DISTINCT {each})" for each in KEPT_IN)
    return (
        f"SELECT relation, part, count(*), {apart} FROM {TABLE}"  # noqa: S608
        f" WHERE relation IN ({_listed(relations)}) AND hashes IS NOT NULL GROUP BY relation, part"
    )


def counted(relations: Sequence[int]) -> str:
    """A query of a row for each facet of each piece: relation, part, facet, and what the source has counted.

    Values that the mask was given, those that came out as originals, distinct originals, distinct outputs.
    """
    return (
        f"SELECT relation, part, facet, given, met, originals, outputs FROM {TABLE}"  # noqa: S608
        f" WHERE relation IN ({_listed(relations)}) AND facet IS NOT NULL"
    )


def distinct_hashes(search: Search) -> str:
    """A query of one row: for each column that is compared, its distinct hashes in the evidence."""
    numbers = [f"count(DISTINCT hashes[{search.part.place(each)}])" for each in search.part.made]
    return f"SELECT {', '.join(numbers)} FROM {TABLE} WHERE {_of(search)}"  # noqa: S608


def counting(search: Search, *, whole: bool) -> str:
    """A query of one row: rows searched, rows that were gathered, then two numbers for each facet and column.

    For each facet: values looked at, and values that the mask cannot have made or in which something is left.
    For each column that is compared: rows (or without a key distinct values) that are what the mask gave, and
    rows that are not (without a key only if those gathered are all, ``whole``).
    """
    part = search.part
    numbers = [f"count(*) FILTER (WHERE {_GATHERED})"]
    for each in part.facets:
        numbers += _numbers(each)
    for place in range(len(part.made)):
        numbers += _compared(search, place, whole=whole)
    values = ", ".join([_GATHERED, *_values(search)])
    flags = ", ".join([_GATHERED, *_flags(search)])
    return (
        f"SELECT count(*), {', '.join(numbers)} FROM (SELECT {flags} FROM"  # noqa: S608
        f" (SELECT {values}, {_HASHES}, {FOUND} FROM {_searched(search)} AS s OFFSET 0) AS v OFFSET 0) AS q"
    )


def _listed(relations: Sequence[int]) -> str:
    return ", ".join(map(str, relations))


def _rows(loaded: Loaded) -> str:
    """``FROM …`` for the relation's own rows."""
    relation = quoted(loaded.relation.schema_name, loaded.relation.name)
    return f"FROM {'ONLY ' if loaded.only else ''}{relation} AS t"


def _of(search: Search) -> str:
    part = search.part
    return f"relation = {part.relation} AND part = {part.number} AND hashes IS NOT NULL"


def _searched(search: Search) -> str:
    """A subquery of the rows that are searched: what the proofs read, and what was gathered of the row."""
    found = search.finder
    names = dict.fromkeys(column.name for column in (*search.part.columns, *found.columns))
    names.update(dict.fromkeys(name for each in search.part.facets for name in each.asked))
    by = found.found_by([quoted(column.name) for column in found.columns], converted=search.converted)
    columns = ", ".join([*map(quoted, names), f"{by} AS {FOUND}"])
    rows = f"(SELECT {columns} {_rows(search.loaded)} OFFSET 0) AS r"
    chosen = ""
    if search.one_in > 1:
        chosen = f" OR {found.one_in(FOUND, search.one_in, search.seed)}"
    if found.unique:
        # A gathered row occurs once, so a join finds its hashes.
        evidence = f"SELECT DISTINCT ON ({found.kept_in}) {found.kept_in} AS by, hashes FROM {TABLE}"  # noqa: S608
        joined = f"{rows} LEFT JOIN ({evidence} WHERE {_of(search)}) AS e ON e.by = {FOUND}"
        where = f" WHERE e.by IS NOT NULL{chosen}" if chosen else ""
        shown = f"r.*, e.by IS NOT NULL AS {_GATHERED}, e.hashes AS {_HASHES}"
        return f"(SELECT {shown} FROM {joined}{where} OFFSET 0)"  # noqa: S608
    is_gathered = "false"
    if found.columns:
        is_gathered = f"{FOUND} IN (SELECT {found.kept_in} FROM {TABLE} WHERE {_of(search)})"  # noqa: S608
    rows = f"(SELECT r.*, {is_gathered} AS {_GATHERED}, NULL::bytea[] AS {_HASHES} FROM {rows} OFFSET 0)"  # noqa: S608
    return f"(SELECT * FROM {rows} AS g WHERE {_GATHERED}{chosen} OFFSET 0)" if chosen else rows  # noqa: S608


def _values(search: Search) -> list[str]:
    """What is read of every row that is searched, each computed once."""
    found = []
    for each in search.part.facets:
        if each.facet.proof in ("outside_domain", "constant"):
            found.append(f"{each.of_its_rows(each.value)} AS {_name(each)}")
        elif each.facet.proof == "partial":
            found.append(f"{each.of_its_rows(f'({each.facet.leak_sql})')} AS {_name(each)}")
        if each.facet.shape_sql is not None:
            odd = each.of_its_rows(f"(({each.facet.shape_sql}) IS FALSE)")
            found.append(f"{odd} AS {_name(each)}_odd")
    for place, column in enumerate(search.part.made):
        text = out_text(column)
        text = f"CASE WHEN {_GATHERED} THEN {text} END" if search.only_gathered else text
        found.append(f"{text} AS appliance_out_{place}")
    return found


def _flags(search: Search) -> list[str]:
    """What is counted, from what was read: hashes in place of values, which are not read again."""
    part, row = search.part, search.finder.row_bytes(FOUND)
    found = []
    for each in part.facets:
        name = _name(each)
        if each.facet.proof in ("outside_domain", "constant", "partial"):
            found.append(name)
        if each.facet.shape_sql is not None:
            found.append(f"{name}_odd")
    for place, column in enumerate(part.made):
        name = f"appliance_out_{place}"
        given = f"coalesce({hashed(name, part.tag(column), row, converted=search.converted)}, {NOTHING})"
        if search.finder.unique:
            given = f"{given} = {_HASHES}[{part.place(column)}]"
        found.append(
            f"CASE WHEN {_GATHERED} THEN {given} END AS {name}"
            if search.only_gathered
            else f"{given} AS {name}"
        )
    return found


def _numbers(each: Proved) -> tuple[str, str]:
    proof, name = each.facet.proof, _name(each)
    if proof == "partial":
        return (
            "count(*)" if each.facet.where_sql is None else f"count({name})",
            f"count(*) FILTER (WHERE {name})",
        )
    if proof in ("constant", "outside_domain"):
        return f"count({name})", _outside(each)
    return "0", f"count(*) FILTER (WHERE {name}_odd)" if each.facet.shape_sql is not None else "0"


def _compared(search: Search, place: int, *, whole: bool) -> tuple[str, str]:
    name, column = f"appliance_out_{place}", search.part.made[place]
    if search.finder.unique:
        return f"count(*) FILTER (WHERE {name})", f"count(*) FILTER (WHERE NOT {name})"
    is_given = f"{name} IN {_evidence(search, column)}"
    others = f"count(*) FILTER (WHERE NOT ({is_given}))" if whole else "0"
    return f"count(DISTINCT {name}) FILTER (WHERE {is_given})", others


def _evidence(search: Search, column: CompiledColumn) -> str:
    """The gathered hashes in one place, as the right side of IN: the server makes a hash table of them."""
    place = search.part.place(column)
    return f"(SELECT hashes[{place}] FROM {TABLE} WHERE {_of(search)} AND hashes[{place}] IS NOT NULL)"  # noqa: S608


def _outside(each: Proved) -> str:
    name = _name(each)
    if each.facet.output_domain_sql is None:
        return f"count({name})" if each.facet.proof == "constant" else "0"
    members = f"SELECT d.member FROM ({each.facet.output_domain_sql}) AS d (member)"  # noqa: S608
    return f"count(*) FILTER (WHERE {name} NOT IN ({members}))"


def _name(each: Proved) -> str:
    return f"appliance_value_{each.number}"
