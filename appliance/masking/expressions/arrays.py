"""Arrays, masked element by element."""

from __future__ import annotations

from collections.abc import Callable

from appliance.masking.expressions.sql_text import identifier
from appliance.masking.mask import Masked, shape_of_output
from appliance.masking.scope import Scope
from appliance.masking.shape import Shape, Value


def masked_elements(value: Value, scope: Scope, compile_element: Callable[[Value], Masked]) -> Masked:
    """The array with every element masked: NULL and empty arrays, and NULL elements, stay.

    One or two dimensions are kept, more come out as one. Positions count from 1.
    """
    shape = value.shape
    element = identifier(scope.alias("appliance_element"))
    single = Shape(**{**vars(shape), "array_cast": None})
    with scope.in_list():
        inner = compile_element(Value(element, single))
    array = value.sql
    masked = f"({inner.sql})::{shape.cast}"
    elements = f"unnest({array}) AS appliance_list ({element})"
    if shape.kind == "composite":
        # unnest would give a column for each field.
        place = identifier(scope.alias("appliance_at"))
        ends = (
            f"generate_series(array_lower({array}, 1), array_upper({array}, 1)) AS appliance_places ({place})"
        )
        elements = f"(SELECT {array}[{place}] AS {element} FROM {ends}) AS appliance_list"
    flat = f"ARRAY(SELECT {masked} FROM {elements})"
    sql = (
        f"CASE WHEN {array} IS NULL OR cardinality({array}) = 0 THEN {array}"
        f" WHEN array_ndims({array}) = 2 THEN {_rows(array, masked, element, scope)} ELSE {flat} END"
    )
    normal = inner.normal_form_sql or f"nullif({Value(element, single).text}, '')"
    some = f"EXISTS (SELECT FROM {elements} WHERE ({normal}) IS NOT NULL)"
    partial = inner.proof == "partial"
    made = shape_of_output(element, inner)
    odd = f"EXISTS (SELECT FROM {elements} WHERE NOT ({made}))"
    return Masked(
        sql,
        "partial" if partial else "disjoint" if inner.proof == "disjoint" else "by_chance",
        chance=inner.chance,
        # By the element's own look: the mask may read other columns, which are others in the twin.
        leak_sql=f"EXISTS (SELECT FROM {elements} WHERE {inner.leak_sql})" if partial else None,
        shape_sql=f"NOT {odd}" if made is not None else None,
        normal_form_sql=f"CASE WHEN {some} THEN {value.text} END",
        preserves_distinct=inner.preserves_distinct,
    )


def _rows(array: str, masked: str, element: str, scope: Scope) -> str:
    """Two dimensions: an array of rows, each an array."""
    row, place = identifier(scope.alias("appliance_row")), identifier(scope.alias("appliance_place"))
    cells = (
        f"SELECT {array}[{row}][{place}] FROM generate_subscripts({array}, 2) AS appliance_places ({place})"
    )
    one = f"ARRAY(SELECT {masked} FROM ({cells}) AS appliance_list ({element}))"
    return f"(SELECT array_agg({one}) FROM generate_subscripts({array}, 1) AS appliance_rows ({row}))"
