"""Whether a unique key stays one under a mask, or under several by conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.masking.catalogue.sets.null import Null
from appliance.masking.linked_keys import distinct_in_key, keeps_distinct, linked_to
from appliance.masking.lookup import mask_and_params
from appliance.masking.mask import Mask
from appliance.masking.registry import MASKS
from appliance.masking.scope import Scope
from appliance.masking.shape import INTEGERS, Shape, shape_of
from appliance.masking.special_keys import special_key_problems
from appliance.workflow.catalog import Column, Table
from appliance.workflow.document import MaskSpec


def key_problems(masks: Sequence[MaskSpec], scope: Scope, *, shared: bool = False) -> list[str]:
    """Why a unique key would not stay one. ``shared``: each mask is for some of the rows."""
    table, column = scope.table, scope.column
    shape = shape_of(column)
    # What a permutation makes of one row may be what another row keeps.
    doubling = [
        (mask, params)
        for mask, params in (mask_and_params(each, MASKS) for each in masks)
        if not keeps_distinct(mask, params, scope) or (shared and not _apart_from_kept(mask, shape))
    ]
    special = special_key_problems(
        table,
        column,
        frozenset(each.mask for each in masks) | ({"keep"} if shared else set()),
        distinct=not doubling,
        keeping=lambda: _keeping(scope, shared=shared),
    )
    return (
        list(_plain_key_problems(doubling, scope, shared=shared))
        or list(special)
        or _null_problems(scope, masks)
    )


def _null_problems(scope: Scope, masks: Sequence[MaskSpec]) -> list[str]:
    if any(each.mask == "null" for each in masks) and (key := null_repeats_in(scope.table, scope.column)):
        return [
            f"the unique key ({', '.join(key)}) takes NULLs for equal (NULLS NOT DISTINCT), and the mask"
            f" 'null' gives nothing else; use {_or_keep(_keeping(scope))}"
        ]
    return []


def _plain_key_problems(
    doubling: Sequence[tuple[Mask[Any], Any]], scope: Scope, *, shared: bool
) -> list[str]:
    if not doubling:
        return []
    table, column = scope.table, scope.column
    what = f"the mask '{doubling[0][0].name}' may give two rows the same value"
    if (link := linked_to(*doubling[0], scope)) is not None:
        what = f"{what}, for it draws from {link.said} (`subject: none` lets the value decide)"
    if column.unique_alone:
        keeping = ", ".join(_keeping(scope, shared=shared)) or "none"
        return [f"{what}, and the column is unique; these masks keep it so: {keeping}"]
    for key in table.unique_keys:
        others = set(key) - {column.name}
        apart = table.told_apart_by(others, nulls_alike=key in table.nulls_alike)
        if len(key) < 2 or column.name not in key or apart:
            continue
        if shared or not all(distinct_in_key(mask, params, key, scope) for mask, params in doubling):
            keeping = _or_keep(_keeping(scope, shared=shared))
            return [f"{what}, and the column is part of the unique key ({', '.join(key)}); use {keeping}"]
    return []


def null_repeats_in(table: Table, column: Column) -> tuple[str, ...]:
    """A unique key that NULL in every row of the column may break; empty where there is none."""
    broken = (
        key
        for key in table.nulls_alike
        if column.name in key and not table.told_apart_by(set(key) - {column.name}, nulls_alike=True)
    )
    return next(broken, ())


def _apart_from_kept(mask: Mask[Any], shape: Shape) -> bool:
    """Whether what it gives is no original: whole numbers are permuted, whatever a mask does with text."""
    return isinstance(mask, Null) or (mask.proof == "disjoint" and shape.kind not in INTEGERS)


def _keeping(scope: Scope, *, shared: bool = False) -> list[str]:
    """Masks that keep the column unique and fit it, as they are without parameters."""
    shape = shape_of(scope.column)
    no_null = bool(null_repeats_in(scope.table, scope.column))
    return [
        mask.name
        for mask in MASKS.values()
        if shape.kind in mask.kinds
        and all(not field.is_required() for field in mask.params.model_fields.values())
        and mask.distinct(shape, mask.plain_params())
        and not mask.problems(shape, mask.plain_params(), scope)
        and not (mask.name == "null" and no_null)
        and (not shared or _apart_from_kept(mask, shape))
    ]


def _or_keep(names: Sequence[str]) -> str:
    return f"{', '.join(names)} or keep" if names else "keep"
