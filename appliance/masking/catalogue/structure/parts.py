"""What becomes of the parts of a value, each by its name: what the masks for structures have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.masking.compiled import Facet, Proof
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask, Masked
from appliance.masking.scope import Scope
from appliance.masking.shape import Shape, Value
from appliance.workflow.document import MaskSpec


def facets_of(label: str, inner: Masked, value: Value) -> tuple[Facet, ...]:
    """What there is to prove of one part, whose value ``value`` is."""
    if inner.facets:
        return tuple(
            each.model_copy(update={"label": f"{label}.{each.label}" if each.label else label})
            for each in inner.facets
        )
    # A table of all that it may be is compared with a whole column only.
    proof: Proof = "by_chance" if inner.proof == "outside_domain" else inner.proof
    return (
        Facet(
            label=label,
            value_sql=inner.normal_form_sql or value.text,
            proof=proof,
            chance=inner.chance,
            output_domain_sql=inner.output_domain_sql if proof == "constant" else None,
            leak_sql=inner.leak_sql,
            shape_sql=inner.shape_sql,
        ),
    )


def of_a_document(sql: str, facets: Sequence[Facet], scope: Scope) -> Masked:
    """A document whose parts are proven one by one, or as one where a column holds several documents."""
    if not scope.several:
        return Masked(sql, "by_chance", facets=tuple(facets))
    changed = [each for each in facets if each.proof in {"by_chance", "disjoint"}]
    shapes = [f"({each.shape_sql}) IS NOT FALSE" for each in facets if each.shape_sql is not None]
    for each in facets:
        if each.proof == "constant" and each.output_domain_sql is None:
            shapes.append(f"({each.value_sql}) IS NULL")
        elif each.proof == "partial":
            shapes.append(f"({each.leak_sql}) IS NOT TRUE")
    forms = ", ".join(each.value_sql for each in changed)
    return Masked(
        sql,
        "by_chance",
        chance=max((each.chance for each in changed), default=0.0),
        facets=tuple(facets),
        shape_sql=" AND ".join(shapes) or None,
        # What shows that something in it was masked; NULL where nothing was to be.
        normal_form_sql=f"coalesce({forms})" if forms else "NULL::text",
    )


def part_problems(
    spec: MaskSpec, shape: Shape, scope: Scope, masks: Mapping[str, Mask[Any]], *, arrays: bool = False
) -> list[str]:
    """Why a mask does not go with a part of this shape."""
    try:
        mask, params = mask_and_params(spec, masks)
    except WrongMaskError as wrong:
        return wrong.problems
    if shape.kind not in mask.kinds:
        return [f"the mask '{mask.name}' does not fit {shape.array_cast or shape.cast}"]
    if mask.name == "null":
        return []
    return list(mask.problems(shape, params, scope))
