"""What is said of kept columns: lines of a refusal or a warning, and what a success has proven or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.documents.problems import printable
from appliance.postgres.plan import Plan
from appliance.postgres.proof.kept import KeptColumnLook, KeptTableLook, SaidTable
from appliance.postgres.proof.results import TwinProof
from appliance.workflow.matching.patterns import quote_name

MOST_TABLES = 200
"""Tables that a step's result names; ``verify.json`` has all of them."""


def found_lines(kept: Iterable[KeptTableLook]) -> tuple[list[str], list[str]]:
    """A line for each kept column in which something was found: those without a judgement, and the others."""
    open_ones: list[str] = []
    judged: list[str] = []
    for table in kept:
        for column in table.columns:
            if column.found:
                name = printable(f"{table.table}.{quote_name(column.column)}")
                (judged if column.because else open_ones).append(
                    f"{name} is kept: {'; '.join(_signs(column))}"
                )
    return open_ones, judged


def _signs(column: KeptColumnLook) -> list[str]:
    signs = []
    if column.looks_personal:
        signs.append(f"{column.looks_personal:,} of {column.values:,} values look like {column.kind}")
    signs += [
        f"{_places(each.found)} in its {each.texts:,} texts originals of {each.masked} stand, which is masked"
        for each in column.originals
        if each.found
    ]
    return signs


def _places(count: int) -> str:
    return "at 1 place" if count == 1 else f"at {count:,} places"


def said_tables(plan: Plan, twins: Sequence[TwinProof]) -> tuple[SaidTable, ...]:
    """Table by table, what was proven and looked at in the first twin; the others have the same rows."""
    if not twins:
        return ()
    twin = twins[0]
    kept: dict[str, list[KeptTableLook]] = {}
    for look in twin.kept:
        kept.setdefault(look.table, []).append(look)
    roots: dict[str, str] = {}
    proven: dict[str, dict[str, None]] = {}
    for table in plan.tables:
        root = table.root.qualified if table.root is not None else table.qualified
        roots[table.qualified] = root
        roots.setdefault(table.load_into.qualified, root)
        proven.setdefault(root, {}).update(
            dict.fromkeys(column.name for column in table.masked_columns if column.proof != "none")
        )
    said: dict[str, SaidTable] = {}
    for proof in twin.tables:
        name = roots.get(proof.table, proof.table)
        before = said.get(name) or _kept_of(name, kept.get(name, ()))
        said[name] = before.model_copy(
            update={
                "rows": before.rows + proof.rows,
                "proven": tuple(proven.get(name, ())),
                "rows_searched": before.rows_searched + proof.searched,
            }
        )
    return tuple(said.values())


def _kept_of(name: str, looks: Sequence[KeptTableLook]) -> SaidTable:
    columns = [column for look in looks for column in look.columns]
    unseen = {each.column: each.not_looked_at for each in columns if each.not_looked_at is not None}
    unseen |= {
        each.column: f"not compared with originals: {each.not_compared}"
        for each in columns
        if each.not_compared is not None and each.column not in unseen
    }
    return SaidTable(
        table=name,
        rows=0,
        kept=tuple(dict.fromkeys(each.column for each in columns if each.not_looked_at is None)),
        rows_looked_at=sum(look.rows for look in looks),
        found=tuple(dict.fromkeys(each.column for each in columns if each.found)),
        not_looked_at=tuple(unseen.items()),
    )
