"""Whether both ends of a foreign key come out alike: a reference that is masked must still find its row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.registry import MASKS
from appliance.masking.scope import Scope
from appliance.masking.shape import Value, shape_of
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import WHEN, MaskSpec
from appliance.workflow.matching.link import Link, own_link

SAME_FOR_ALL = frozenset({"null", "constant"})
"""Masks that give all values of a column the same output, whatever its collation takes for equal."""


@dataclass(frozen=True)
class End:
    """One end of a foreign key: a column, and what happens to it (None: it is kept)."""

    table: Table
    column: Column
    mask: MaskSpec | None
    links: tuple[Link, ...] = ()
    """Whose the table's rows are."""

    @property
    def described(self) -> str:
        how = "kept" if self.mask is None else f"masked with {self.mask.mask}"
        return f"{self.table.qualified}.{self.column.name} ({how})"


def reference_problem(end: End, other: End) -> str | None:
    """Why ``end`` would no longer find ``other``, which it refers to; None if it would."""
    nothing = end.mask is not None and end.mask.mask == "null" and not end.column.not_null
    if nothing or (end.mask is None and other.mask is None):
        return None
    if end.mask is None or other.mask is None or end.mask.mask != other.mask.mask:
        return "mask both alike, or keep both"
    if _of_one_subject(end, other):
        end, other = replace(end, links=()), replace(other, links=())
    try:
        alike = _recipe(end) == _recipe(other)
    except _IrreproducibleError as irreproducible:
        return str(irreproducible)
    except WrongMaskError:
        alike = True  # Said where the mask stands.
    if alike:
        return None
    if end.mask != other.mask:
        return "give the mask the same parameters at both"
    types = f"{end.column.type} and {other.column.type}"
    return f"the types {types} differ, so the mask gives them different values"


class _IrreproducibleError(Exception):
    """The mask's output does not follow from the value alone."""


def _recipe(end: End) -> str:
    """What the mask does with a value, whichever column that stands in."""
    assert end.mask is not None  # noqa: S101
    if end.mask.mask == WHEN:
        raise _IrreproducibleError(
            "a mask by conditions follows the row, not the value; use one mask for all rows, or keep both"
        )
    mask, params = mask_and_params(end.mask, MASKS)
    if not end.column.deterministic and mask.name not in SAME_FOR_ALL:
        raise _IrreproducibleError(
            "its collation is nondeterministic: texts that it takes for equal get different masked values;"
            " use null or constant, or keep both"
        )
    if mask.whole_value:
        raise _IrreproducibleError(f"the mask '{mask.name}' leaves no reference; use hash, or keep both")
    if not mask.follows_value(params):
        raise _IrreproducibleError(
            f"the mask '{mask.name}' follows a row's subject, not the value; use another one, or keep both"
        )
    shape, scope = shape_of(end.column), Scope(end.table, end.column, links=end.links)
    if shape.kind not in mask.kinds or mask.problems(shape, params, scope):
        raise WrongMaskError([])
    sql = mask.compile(Value("v", shape), params, scope).sql
    if scope.subjects:
        raise _IrreproducibleError(
            f"the mask '{mask.name}' draws from {' and '.join(scope.subjects)}, not the value; say"
            " `subject: none`, or keep both"
        )
    return sql


def _of_one_subject(end: End, other: End) -> bool:
    """Whether both draw from one subject: ``other``'s row is it, and ``end`` looks it up by that column."""
    if end.mask != other.mask or end.mask is None or "subject" in end.mask.params:
        return False
    here, there = own_link(end.links), own_link(other.links)
    if here is None or there is None or here.subject != there.subject or not there.own:
        return False
    (way, *more) = here.ways
    by = way.lookup.column.name if way.lookup is not None else None
    return not more and by == other.column.name and end.column in way.columns
