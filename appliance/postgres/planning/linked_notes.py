"""What a plan says of linked people: what is looked up, and where one person may still look like two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.masking.linked_keys import linked_to
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask
from appliance.masking.registry import MASKS
from appliance.masking.scope import Scope
from appliance.masking.shape import Value, shape_of
from appliance.postgres.plan import PlannedTable
from appliance.system.disk import readable
from appliance.workflow.catalog import Column
from appliance.workflow.matching.decisions import Rule, SelectedTable
from appliance.workflow.matching.link import Link, Way

_ANYONE = "anyone"
_KEY = Column(
    schema_name="",
    table_name="",
    name="appliance_key",
    position=1,
    type="bigint",
    base_type="bigint",
    type_kind="base",
    base_kind="base",
    not_null=True,
)
"""Of no table: two columns are compared as if both were one person's."""


@dataclass(frozen=True)
class _Drawn:
    """A column whose text is a subject's."""

    selected: SelectedTable
    column: Column
    mask: Mask[Any]
    params: Any
    link: Link

    @property
    def name(self) -> str:
        """schema.table.column, partitions by their root's name."""
        return ".".join([*self.selected.table.all_names[-1], self.column.name])

    @property
    def what(self) -> tuple[str, str]:
        """Which of a person's things it is: the mask, and its domain."""
        return self.mask.name, self.params.domain or self.mask.name

    def recipe(self, encoding: str) -> str:
        """What every person gets there."""
        anyone = Link(_ANYONE, _ANYONE, ("", ""), (_KEY,), (), (Way((_KEY,)),))
        params = self.params.model_copy(update={"subject": _ANYONE})
        scope = Scope(self.selected.table, self.column, encoding, links=(anyone,))
        return self.mask.compile(Value("v", shape_of(self.column)), params, scope).sql


def linked_notes(
    subjects: Sequence[str], tables: Sequence[SelectedTable], planned: Sequence[PlannedTable], encoding: str
) -> list[str]:
    """Of the workflow's ``subjects``, once every mask is known to fit. Pure."""
    if not subjects:
        return []
    drawn = list(_drawn(tables))
    said = {text for table in planned for column in table.columns for text in column.subjects}
    used = {text.partition(" ")[0] for text in said}
    notes = [f"subjects.{name}: no mask draws from it." for name in subjects if name not in used]
    return list(
        dict.fromkeys([*notes, *_looked_up(planned, tables), *_twice(drawn), *_otherwise(drawn, encoding)])
    )


def _drawn(tables: Sequence[SelectedTable]) -> Iterator[_Drawn]:
    for selected in tables:
        for column, decision in selected.columns if selected.links else ():
            if not isinstance(decision, Rule) or shape_of(column).kind != "text":
                continue
            try:
                mask, params = mask_and_params(decision.mask, MASKS)
            except WrongMaskError:
                continue
            scope = Scope(selected.table, column, links=selected.links)
            link = linked_to(mask, params, scope)
            if link is not None:
                yield _Drawn(selected, column, mask, params, link)


def _looked_up(planned: Sequence[PlannedTable], tables: Sequence[SelectedTable]) -> Iterator[str]:
    names = {each.table.all_names[0]: ".".join(each.table.all_names[-1]) for each in tables}
    for table in planned:
        name = names.get((table.schema_name, table.name), table.qualified)
        for each in {look.name: look for column in table.columns for look in column.lookups}.values():
            yield (
                f"{name}: people are looked up in {'.'.join(each.table)} by {each.by}, on the source. For"
                f" each piece of the table that is copied, and again for what is proven, it reads up to"
                f" {each.rows:,} rows ({readable(each.bytes)}) besides."
            )


def _twice(drawn: Sequence[_Drawn]) -> Iterator[str]:
    """Two columns of a row that one person's one thing would stand in."""
    found: dict[tuple[str, str, tuple[str, str]], dict[str, None]] = defaultdict(dict)
    for each in drawn:
        table = ".".join(each.selected.table.all_names[-1])
        found[table, each.link.name, each.what].setdefault(each.column.name)
    for (table, link, (mask, _)), columns in found.items():
        if len(columns) > 1:
            yield (
                f"{table}: {' and '.join(columns)} have the mask '{mask}' and become the same, for one"
                f" {link} has one. `subject: none`, or another domain, for all but one of them keeps them"
                " apart."
            )


def _otherwise(drawn: Sequence[_Drawn], encoding: str) -> Iterator[str]:
    """Columns in which a person's thing looks otherwise than in the first."""
    first: dict[tuple[str, tuple[str, str]], tuple[_Drawn, str]] = {}
    for each in drawn:
        recipe = each.recipe(encoding)
        one, its = first.setdefault((each.link.subject, each.what), (each, recipe))
        if recipe != its:
            yield (
                f"{one.name} and {each.name} give one {each.link.subject} two different values: their types"
                f" or the options of '{each.mask.name}' differ."
            )
