"""What has changed in a source since the last run, and what the workflow decided of it. Names and types only.

Partitions count as their root: a new one every day is no news.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from appliance.workflow.catalog import Catalog, Table
from appliance.workflow.conditions.alternatives import mask_words
from appliance.workflow.matching.rules import Computed, Decision, Keep, Matching, Rule, Uncovered

Outcome = Literal["masked", "kept", "unlisted", "halted", "computed", "not selected", "gone"]
Change = Literal["added", "gone", "changed"]
Kind = Literal["table", "column", "type", "constraint"]


class ShapeModel(BaseModel):
    """Frozen, and strict about keys, like everything that is written to a run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TableShape(ShapeModel):
    """A table by its columns' types and its constraints."""

    schema_name: str
    name: str
    columns: dict[str, str]
    constraints: tuple[str, ...] = ()
    """In words, each once."""


class CatalogShape(ShapeModel):
    """A source by names and types."""

    tables: tuple[TableShape, ...] = ()


class DriftItem(ShapeModel):
    """One thing that has changed."""

    kind: Kind
    change: Change
    schema_name: str
    table: str
    name: str = ""
    """The column, or the constraint in words; empty for a table."""
    type: str = ""
    """The type now; of what is gone, the former one."""
    former_type: str = ""
    outcome: Outcome
    decision: str
    """Which line of the workflow caught it, in words."""

    @property
    def text(self) -> str:
        """For people: one line."""
        table = f"{self.schema_name}.{self.table}"
        what = f"{self.kind} {table}" if self.kind == "table" else f"{self.kind} {table}.{self.name}"
        if self.kind == "constraint":
            what = f"constraint on {table}: {self.name}"
        types = f" ({self.former_type} → {self.type})" if self.former_type else f" ({self.type})"
        return f"{what}{types if self.type else ''} {self.change}: {self.decision}"


class Drift(ShapeModel):
    """All of it, since a run."""

    since: str | None = None
    """The last run of the workflow that was verified; None where there is none to compare with."""
    items: tuple[DriftItem, ...] = ()


def drift_notes(found: Drift, most: int = 100) -> list[str]:
    """The changes in lines, for people."""
    if not found.items:
        return []
    more = [f"… and {len(found.items) - most} more; all are in the run's drift.json."]
    lines = [item.text for item in found.items[:most]] + (more if len(found.items) > most else [])
    return [f"Changed in the source since {found.since}: {line}." for line in lines]


NO_DRIFT = Drift()


class FormerCatalog(ShapeModel):
    """The catalog that a run is compared with, and whose it is."""

    run_id: str
    shape: CatalogShape


def shape_of_catalog(catalog: Catalog) -> CatalogShape:
    """What is remembered of a catalog."""
    return CatalogShape(
        tables=tuple(
            TableShape(
                schema_name=table.schema_name,
                name=table.name,
                columns={column.name: column.type for column in table.columns},
                constraints=tuple(sorted(set(_constraints(table)))),
            )
            for table in catalog.tables
            if table.root_name is None
        )
    )


def drift(former: FormerCatalog | None, catalog: Catalog, matching: Matching) -> Drift:
    """What has changed since ``former``, by table and column."""
    if former is None:
        return Drift()
    before = {(table.schema_name, table.name): table for table in former.shape.tables}
    now = {(table.schema_name, table.name): table for table in shape_of_catalog(catalog).tables}
    decided = _Decisions(matching)
    items: list[DriftItem] = []
    for key in sorted(before.keys() | now.keys()):
        if key not in now:
            items.append(_item("table", "gone", key, outcome="gone", decision="it is not there any more"))
        elif key not in before:
            items += _new_table(now[key], decided)
        else:
            items += _changes(before[key], now[key], decided)
    return Drift(since=former.run_id, items=tuple(items))


def _constraints(table: Table) -> Iterator[str]:
    if table.primary_key:
        yield f"PRIMARY KEY ({', '.join(table.primary_key)})"
    for columns in table.unique_keys:
        yield f"UNIQUE ({', '.join(columns)})"
    for key in table.foreign_keys:
        yield f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.to_schema}.{key.to_table}"
    for column in table.columns:
        yield from (f"CHECK {name}" for name in column.check_constraints)
        if column.not_null:
            yield f"NOT NULL ({column.name})"


def _new_table(table: TableShape, decided: _Decisions) -> Iterator[DriftItem]:
    key = (table.schema_name, table.name)
    if key not in decided.tables:
        yield _item("table", "added", key, outcome="not selected", decision="no pattern of tables selects it")
        return
    found = [decided.of(key, name) for name in table.columns]
    halted = sum(outcome == "halted" for outcome, _ in found)
    if halted:
        yield _item(
            "table",
            "added",
            key,
            outcome="halted",
            decision=f"{halted} of its {len(found)} columns are covered by nothing",
        )
    else:
        yield _item("table", "added", key, outcome="kept", decision="it is selected, and each column decided")
    for name, type_ in table.columns.items():
        outcome, decision = decided.of(key, name)
        yield _item("column", "added", key, name, type=type_, outcome=outcome, decision=decision)


def _changes(before: TableShape, now: TableShape, decided: _Decisions) -> Iterator[DriftItem]:
    key = (now.schema_name, now.name)
    for name, type_ in now.columns.items():
        former = before.columns.get(name)
        outcome, decision = decided.of(key, name)
        if former is None:
            yield _item("column", "added", key, name, type=type_, outcome=outcome, decision=decision)
        elif former != type_:
            yield _item(
                "type", "changed", key, name, type=type_, former=former, outcome=outcome, decision=decision
            )
    for name, type_ in before.columns.items():
        if name not in now.columns:
            yield _item(
                "column",
                "gone",
                key,
                name,
                type=type_,
                outcome="gone",
                decision="it is not there any more",
            )
    for text in sorted(set(now.constraints) ^ set(before.constraints)):
        change: Change = "added" if text in now.constraints else "gone"
        selected = key in decided.tables
        yield _item(
            "constraint",
            change,
            key,
            text,
            outcome=("kept" if change == "added" else "gone") if selected else "not selected",
            decision="the twin has it as the source does" if selected else "the table is not selected",
        )


def _item(
    kind: Kind,
    change: Change,
    key: tuple[str, str],
    name: str = "",
    *,
    type: str = "",  # noqa: A002 - as the model calls it
    former: str = "",
    outcome: Outcome,
    decision: str,
) -> DriftItem:
    return DriftItem(
        kind=kind,
        change=change,
        schema_name=key[0],
        table=key[1],
        name=name,
        type=type,
        former_type=former,
        outcome=outcome,
        decision=decision,
    )


class _Decisions:
    """What a workflow decides of each column, by the table's own name or its root's."""

    def __init__(self, matching: Matching) -> None:
        self.tables: set[tuple[str, str]] = set()
        self._columns: dict[tuple[str, str, str], Decision] = {}
        for selected in matching.tables:
            key = selected.table.all_names[-1]
            self.tables.add(key)
            for column, decision in selected.columns:
                self._columns.setdefault((*key, column.name), decision)

    def of(self, key: tuple[str, str], column: str) -> tuple[Outcome, str]:
        """The outcome, and in words which line of the workflow it comes from."""
        decision = self._columns.get((*key, column))
        return ("not selected", "the table is not selected") if decision is None else decision_text(decision)


def decision_text(decision: Decision) -> tuple[Outcome, str]:
    """What happens to a column, and which line of the workflow says so."""
    match decision:
        case Rule(mask=mask, pattern=None):
            return "unlisted", f"masked with {mask.mask}, for nothing names it (unlisted: null)"
        case Rule(mask=mask, pattern=pattern, follows=follows):
            by = f", for it refers to {follows}" if follows else f" by the pattern {pattern}{_of(decision)}"
            return "masked", f"masked with {mask_words(mask)}{by}"
        case Keep(pattern=None):
            return "unlisted", "copied as it is, for nothing names it (unlisted: keep)"
        case Keep(pattern=pattern):
            return "kept", f"kept by the pattern {pattern}{_of(decision)}"
        case Computed():
            return "computed", "the twin computes it"
        case Uncovered():
            return "halted", "nothing covers it: the run halts"


def _of(decision: Rule | Keep) -> str:
    # Without the version: that of a file is a digest of what may hold conditions, and these words travel.
    return f" of the preset {decision.preset.name}" if decision.preset else ""
