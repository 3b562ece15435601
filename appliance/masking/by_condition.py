"""A column that is masked by conditions over its row: one expression, and what is proven of which rows.

The conditions are evaluated on the source, over what stands there. In the twin a condition can be asked again
only where all that it reads is kept and another server decides it alike; elsewhere what every row must be is
known for the gathered rows alone, whose value is compared with what the expression gives.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.documents.problems import KeyPath
from appliance.masking.compiled import Branch, CompiledColumn, Facet, PartlyKept
from appliance.masking.expressions.row_condition import is_same_anywhere, row_condition, row_misfits
from appliance.masking.shape import shape_of
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.alternatives import Alternative, Alternatives
from appliance.workflow.conditions.grammar import parse_condition
from appliance.workflow.document import WHEN


def condition_problems(table: Table, choices: Sequence[Alternative]) -> list[str]:
    """What is wrong with the list and its conditions, a sentence each."""
    if not choices:
        return []
    found = [
        f"entry {_number(place)}: {what}; expected {expected}"
        for place, what, expected in Alternatives(choices=tuple(choices)).problems()
    ]
    if not found:
        found = [
            f"entry {number}: when: {misfit}"
            for number, each in enumerate(choices, 1)
            if each.when is not None
            for misfit in row_misfits(parse_condition(each.when), table)
        ]
    return found


def by_condition(
    table: Table, column: Column, choices: Sequence[Alternative], compiled: Sequence[CompiledColumn]
) -> CompiledColumn:
    """One column of what each alternative makes of it, the last being for all other rows."""
    parsed = [parse_condition(each.when) for each in choices if each.when is not None]
    conditions = [row_condition(each, table) for each in parsed]
    reads = tuple(dict.fromkeys(name for each in choices for name in each.reads))
    anywhere = all(is_same_anywhere(each, table) for each in parsed)
    whens = [
        f"WHEN {condition} THEN {each.sql}" for condition, each in zip(conditions, compiled, strict=False)
    ]
    facets: list[Facet] = []
    kept: list[str] = []
    for number, each in enumerate(compiled):
        where = _where(conditions, number)
        if each.mask is None:
            kept.append(f"({where})")
        for facet in each.proved():
            label = f"{_rows(number, len(compiled))} {facet.label}".rstrip()
            facets.append(
                facet.model_copy(
                    update={
                        "label": label,
                        "mask": each.mask,
                        "where_sql": where,
                        "reads": reads,
                        "in_twin": anywhere,
                    }
                )
            )
    shape = shape_of(column)
    bindings = {binding.setting: binding for each in compiled for binding in each.bindings}
    because = all(each.because is not None for each in choices if each.keeps)
    return CompiledColumn(
        name=column.name,
        type=column.type,
        sql=f"(CASE {' '.join(whens)} ELSE {compiled[-1].sql} END)::{shape.array_cast or shape.cast}",
        mask=WHEN,
        bindings=tuple(bindings.values()),
        proof="by_chance",
        facets=tuple(facets),
        branches=tuple(
            Branch(when=each.when, mask=made.mask, options={} if each.keeps else each.mask.params)
            for each, made in zip(choices, compiled, strict=True)
        ),
        subjects=tuple(dict.fromkeys(said for each in compiled for said in each.subjects)),
        lookups=tuple({look.name: look for each in compiled for look in each.lookups}.values()),
        partly=PartlyKept(where_sql=" OR ".join(kept), reads=reads, in_twin=anywhere, because=because)
        if kept
        else None,
    )


def with_kept(column: CompiledColumn, kept: frozenset[str]) -> CompiledColumn:
    """The same, knowing which columns the twin has as they are: by others no condition can be asked there."""
    if not column.branches:
        return column
    facets = tuple(
        each.model_copy(update={"in_twin": each.in_twin and kept.issuperset(each.reads)})
        for each in column.facets
    )
    partly = column.partly
    if partly is not None:
        partly = partly.model_copy(update={"in_twin": partly.in_twin and kept.issuperset(partly.reads)})
    return column.model_copy(update={"facets": facets, "partly": partly})


def _where(conditions: Sequence[str], number: int) -> str:
    before = [f"{each} IS NOT TRUE" for each in conditions[:number]]
    own = [f"{each} IS TRUE" for each in conditions[number : number + 1]]
    return " AND ".join([*before, *own])


def _rows(number: int, entries: int) -> str:
    return "of all other rows" if number == entries - 1 else f"of rows of entry {number + 1}"


def _number(place: KeyPath) -> str:
    return f"{int(place[0]) + 1}" + "".join(f", {part}" for part in place[1:])
