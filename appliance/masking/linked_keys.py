"""Whether a unique key stays one where a mask draws from the row's subject instead of the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask, SubjectParams
from appliance.masking.registry import MASKS
from appliance.masking.scope import Scope
from appliance.masking.shape import shape_of
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec
from appliance.workflow.matching.link import Link


def linked_to(mask: Mask[Any], params: Any, scope: Scope) -> Link | None:
    """Whose key the mask draws from in the scope's column; None where it does not."""
    if not isinstance(params, SubjectParams):
        return None
    in_list = shape_of(scope.column).is_array and not mask.whole_value
    by_itself = mask.of_person and (mask.of_person_in_lists or not in_list)
    return scope.link(params.subject, by_itself=by_itself)


def linked_by(spec: MaskSpec, table: Table, column: Column, links: Sequence[Link]) -> Link | None:
    """The same for a mask as a document has it; None for one that is wrong, or has several by conditions."""
    if not links:
        return None
    try:
        mask, params = mask_and_params(spec, MASKS)
    except WrongMaskError:
        return None
    return linked_to(mask, params, Scope(table, column, links=tuple(links)))


def keeps_distinct(mask: Mask[Any], params: Any, scope: Scope) -> bool:
    """Whether different values in the scope's column get different outputs, or different rows do."""
    shape, link = shape_of(scope.column), linked_to(mask, params, scope)
    if link is None:
        return mask.distinct(shape, params)
    if not (mask.keeps_subjects_apart and link.unique):
        return False
    # Rows without a subject are drawn from by their values.
    everyone = link.ways[0].certain
    return everyone or mask.distinct(shape, params.model_copy(update={"subject": None}))


def distinct_in_key(mask: Mask[Any], params: Any, key: tuple[str, ...], scope: Scope) -> bool:
    """Whether a unique key of several columns stays unique though this one of it is masked."""
    table, column = scope.table, scope.column
    link = linked_to(mask, params, scope)
    if link is not None:
        params = params.model_copy(update={"subject": tuple(each.name for each in link.columns)})
    return mask.distinct_with(key, column, table, params)
