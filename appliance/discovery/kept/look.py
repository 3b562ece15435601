"""Which kept columns are looked at once the twin stands, and which originals are looked for in them. Pure.

``plan`` writes it as ``kept.json``: it knows the source's catalog. Names and SQL text, never a value.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence

from appliance.discovery.kept.many_originals import ManyOriginals, many_originals
from appliance.discovery.kept.originals_query import (
    KeptTexts,
    MaskedOriginals,
    OriginalsQuery,
    originals_queries,
)
from appliance.discovery.places import is_looked_at, mode_of
from appliance.masking.compiled import PartlyKept
from appliance.masking.suggesting.labels import personal_labels
from appliance.postgres.plan import Plan, PlannedTable
from appliance.postgres.proof.kept import Frozen
from appliance.postgres.source.lock_room import LockRoom
from appliance.workflow.catalog import Column, Table
from appliance.workflow.matching.rules import Keep, Matching, Rule, SelectedTable

_UNKNOWN = "the twin cannot say which of its rows are kept; plan looks at them in the source"


class KeptTable(Frozen):
    """Kept columns of a table, or of those partitions of one that keep the same."""

    schema_name: str
    name: str
    """Of the root, for partitions."""
    sources: tuple[int, ...]
    """Their places in ``Plan.tables``."""
    columns: tuple[Column, ...]
    """Kept, and looked at."""
    because: tuple[str, ...] = ()
    """Of all kept ones, those that a person has judged."""
    unread: tuple[tuple[str, str], ...] = ()
    """Kept columns that are not looked at, each with the reason."""
    conditions: tuple[tuple[str, str], ...] = ()
    """Columns of which some rows are kept, each with the SQL that says which."""
    labels: tuple[tuple[str, int], ...] = ()
    """Kept columns of an enum of which so many labels look personal."""

    @property
    def qualified(self) -> str:
        """schema.table as people write it."""
        return f"{self.schema_name}.{self.name}"


class KeptLook(Frozen):
    """``kept.json``."""

    tables: tuple[KeptTable, ...] = ()
    queries: tuple[OriginalsQuery, ...] = ()
    """For the source."""
    many: tuple[ManyOriginals, ...] = ()
    """In place of these, where there are more tables than the source has locks for."""
    uncompared: tuple[tuple[str, str], ...] = ()
    """Tables, by name, whose kept columns no query compares, each with the reason."""


def kept_look(matching: Matching, plan: Plan, judged: Collection[str], room: LockRoom) -> KeptLook:
    """What there is to look at. ``judged`` are the patterns of ``keep`` that say why."""
    numbers = {(each.schema_name, each.name): number for number, each in enumerate(plan.tables)}
    groups: dict[tuple[object, ...], list[SelectedTable]] = defaultdict(list)
    for selected in matching.tables:
        if selected.table.all_names[0] in numbers:
            planned = plan.tables[numbers[selected.table.all_names[0]]]
            kept = tuple((column.name, column.type) for column, _ in _kept(selected))
            kept += tuple((column.name, made.where_sql) for column, made in _partly(selected, planned))
            groups[selected.table.all_names[-1], kept].append(selected)
    tables = tuple(
        _kept_table(
            members,
            [numbers[each.table.all_names[0]] for each in members],
            judged,
            _partly(members[0], plan.tables[numbers[members[0].table.all_names[0]]]),
        )
        for members in groups.values()
    )
    tables = tuple(each for each in tables if each.columns or each.unread)
    uncompared: list[tuple[str, str]] = []
    kept_texts: list[KeptTexts] = []
    originals: list[MaskedOriginals] = []
    for members in groups.values():
        planned_members = [plan.tables[numbers[each.table.all_names[0]]] for each in members]
        keyless = any(each.apart for each in planned_members)
        for each in members:
            planned = plan.tables[numbers[each.table.all_names[0]]]
            root = ".".join(each.table.all_names[-1])
            if planned.read_path or planned.unplanned:
                uncompared.append((root, "no query of the table can be planned without its owner's settings"))
                continue
            partly = _partly(each, planned)
            texts = tuple(
                column
                for column in [*(column for column, _ in _kept(each)), *(column for column, _ in partly)]
                if mode_of(column) == "text" and is_looked_at(each.table, column)
            )
            if texts and keyless and planned.erased_sql is not None:
                uncompared.append((root, "free SQL chooses its rows, and some are about erased subjects"))
            elif texts:
                conditions = {column.name: made.where_sql for column, made in partly}
                kept_texts.append(
                    KeptTexts(
                        each.table,
                        root,
                        texts,
                        planned.where_sql,
                        planned.erased_sql,
                        planned.apart,
                        conditions,
                    )
                )
            compiled = tuple(
                (column, made)
                for column in each.table.columns
                for made in planned.masked_columns
                if made.name == column.name and mode_of(column) == "text"
            )
            if compiled:
                originals.append(MaskedOriginals(each.table, root, compiled))
    seed = random.Random(f"{plan.run_id}/kept").getrandbits(31)  # noqa: S311
    many = many_originals(kept_texts, originals, plan.source.encoding, seed, room)
    queries = (
        originals_queries(kept_texts, originals, plan.source.encoding, seed, room) if many is None else ()
    )
    return KeptLook(
        tables=tables,
        queries=tuple(queries),
        many=tuple(many or ()),
        uncompared=tuple(dict.fromkeys(uncompared)),
    )


def _kept(selected: SelectedTable) -> list[tuple[Column, Keep]]:
    return [(column, decision) for column, decision in selected.columns if isinstance(decision, Keep)]


def _partly(selected: SelectedTable, planned: PlannedTable) -> list[tuple[Column, PartlyKept]]:
    """Columns of which some rows are kept."""
    by_name = {each.name: each.partly for each in planned.masked_columns}
    return [
        (column, partly) for column, _ in selected.columns if (partly := by_name.get(column.name)) is not None
    ]


def _kept_table(
    members: Sequence[SelectedTable],
    numbers: Sequence[int],
    judged: Collection[str],
    partly: Sequence[tuple[Column, PartlyKept]],
) -> KeptTable:
    schema, name = members[0].table.all_names[-1]
    kept = _kept(members[0])
    unread = [(column.name, why) for column, _ in kept if (why := _why_not(members[0].table, column))]
    unread += [(column.name, _UNKNOWN) for column, made in partly if not made.in_twin]
    known = [(column, made) for column, made in partly if made.in_twin]
    unread += [(column.name, why) for column, _ in known if (why := _why_not(members[0].table, column))]
    names = {column for column, _ in unread}
    rules = {column.name: each.pattern for column, each in members[0].columns if isinstance(each, Rule)}
    all_kept = [*(column for column, _ in kept), *(column for column, _ in known)]
    return KeptTable(
        schema_name=schema,
        name=name,
        sources=tuple(numbers),
        # A label is free text of the schema: it may be anything.
        columns=tuple(
            column.model_copy(update={"enum_labels": ()}) for column in all_kept if column.name not in names
        ),
        conditions=tuple((column.name, made.where_sql) for column, made in known if column.name not in names),
        labels=tuple((column.name, n) for column, _ in kept if (n := personal_labels(column))),
        because=(
            *(column.name for column, made in partly if made.because and rules.get(column.name) in judged),
            *_judged(members, kept, judged),
        ),
        unread=tuple(unread),
    )


def _judged(
    members: Sequence[SelectedTable], kept: Sequence[tuple[Column, Keep]], judged: Collection[str]
) -> tuple[str, ...]:
    return tuple(
        column.name
        for column, decision in kept
        if decision.pattern in judged
        and all(
            other.pattern in judged
            for each in members
            for its, other in _kept(each)
            if its.name == column.name
        )
    )


def _why_not(table: Table, column: Column) -> str | None:
    if mode_of(column) is None:
        return f"values of the type {column.type} are not looked at"
    return None if is_looked_at(table, column) else "a sequence counts it, or it refers to a key"
