"""From a column and its mask to one entry of a SELECT list; everything that does not fit is found before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.errors import WrongRequestError
from appliance.masking.by_condition import by_condition, condition_problems
from appliance.masking.compiled import CompiledColumn, Facet, Lifted
from appliance.masking.expressions.arrays import masked_elements
from appliance.masking.expressions.neutral import neutral_value
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.foreign_keys import SAME_FOR_ALL
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask, Masked
from appliance.masking.registry import MASKS
from appliance.masking.scope import Scope
from appliance.masking.shape import OWNED, Shape, Value, column_value, shape_of
from appliance.masking.unique_keys import key_problems, null_repeats_in
from appliance.workflow.catalog import Column, Table
from appliance.workflow.conditions.alternatives import alternatives_of
from appliance.workflow.document import WHEN, MaskSpec
from appliance.workflow.matching.link import Link


def compile_column(
    table: Table,
    column: Column,
    mask: MaskSpec,
    *,
    encoding: str = "UTF8",
    row: Mapping[str, CompiledColumn] | None = None,
    links: Sequence[Link] = (),
) -> CompiledColumn:
    """A masked column. ``encoding`` is the source database's, as ``pg_encoding_to_char`` names it.

    ``row`` has the other columns of the row that the mask reads, ``links`` are whose the table's rows are.

    Raises WrongRequestError with all that ``check_column`` finds.
    """
    problems = check_column(table, column, mask, encoding=encoding, links=links)
    if problems:
        raise _misfit(table, column, problems)
    scope = Scope(table, column, encoding, row=row, links=tuple(links))
    if choices := alternatives_of(mask):
        made = [keep_column(column) if each.keeps else _compile(each.mask, scope) for each in choices]
        return by_condition(table, column, choices, made)
    return _compile(mask, scope)


def _compile(mask: MaskSpec, where: Scope) -> CompiledColumn:
    chosen, params = mask_and_params(mask, MASKS)
    scope, column = where.anew(), where.column
    value = column_value(column)
    if value.shape.is_array and not chosen.whole_value:
        masked = masked_elements(value, scope, lambda element: chosen.compile(element, params, scope))
    else:
        masked = chosen.compile(value, params, scope)
    compiled = _compiled(column, chosen.name, masked, scope)
    above = where.anew(beneath={})
    if value.shape.is_array or compiled.repeats:
        return compiled
    sql = f"({chosen.compile(value, params, above).sql})::{value.shape.cast}"
    lifted = Lifted(beneath=above.beneath, sql=sql) if above.beneath else None
    return compiled.model_copy(update={"lifted": lifted})


def compile_unlisted(table: Table, column: Column) -> CompiledColumn:
    """What ``unlisted: null`` makes of a column: NULL, or a neutral value where it may not be NULL.

    Raises WrongRequestError with all that ``check_unlisted`` finds.
    """
    problems = check_unlisted(table, column)
    if problems:
        raise _misfit(table, column, problems)
    if not column.not_null:
        return compile_column(table, column, MaskSpec(mask="null"))
    neutral = neutral_value(column)
    text = Value(f"({neutral})", column_value(column).shape).text
    masked = Masked(f"{neutral}", "constant", output_domain_sql=f"SELECT {text}")
    return _compiled(column, "constant", masked, Scope(table, column))


def keep_column(column: Column) -> CompiledColumn:
    """A column that is copied as it is."""
    return CompiledColumn(name=column.name, type=column.type, sql=identifier(column.name))


def check_column(
    table: Table, column: Column, mask: MaskSpec, *, encoding: str = "UTF8", links: Sequence[Link] = ()
) -> list[str]:
    """Everything that speaks against a mask on a column, a sentence each, without the column's name."""
    scope = Scope(table, column, encoding, links=tuple(links))
    if mask.mask == WHEN:
        return _conditional_problems(mask, scope)
    problems = _mask_problems(mask, scope)
    return problems if _unknown(mask, column) else problems + key_problems([mask], scope)


def _unknown(mask: MaskSpec, column: Column) -> bool:
    try:
        return shape_of(column).kind not in mask_and_params(mask, MASKS)[0].kinds
    except WrongMaskError:
        return True


def _is_of_whole_column(mask: MaskSpec) -> bool:
    return mask.mask in MASKS and MASKS[mask.mask].whole_column


def _conditional_problems(mask: MaskSpec, scope: Scope) -> list[str]:
    choices = alternatives_of(mask)
    if not choices:
        return ["the list of masks with conditions cannot be read"]
    if problems := condition_problems(scope.table, choices):
        return problems
    masks = [(number, each.mask) for number, each in enumerate(choices, 1) if not each.keeps]
    if whole := [number for number, each in masks if _is_of_whole_column(each)]:
        return [f"entry {whole[0]}: the mask '{choices[whole[0] - 1].mask.mask}' is for all rows of a column"]
    problems = [
        f"entry {number}: {problem}" for number, each in masks for problem in _mask_problems(each, scope)
    ]
    return problems or key_problems([each for _, each in masks], scope, shared=True)


def _mask_problems(mask: MaskSpec, where: Scope) -> list[str]:
    try:
        chosen, params = mask_and_params(mask, MASKS)
    except WrongMaskError as wrong:
        return wrong.problems
    column = where.column
    shape, scope = shape_of(column), where.anew()
    if shape.kind not in chosen.kinds:
        others = ", ".join(fitting(shape))
        return [f"the mask '{chosen.name}' does not fit the type {column.type}; these do: {others}"]
    problems = list(chosen.problems(shape, params, scope))
    if not problems and len(scope.links) > 1:
        # A mask inside another one may have to say whose value it is.
        problems = _undecided(chosen, params, scope)
    return problems


def _undecided(mask: Mask[Any], params: Any, scope: Scope) -> list[str]:
    if mask.reads(params):
        return []
    value = column_value(scope.column)
    if value.shape.is_array and not mask.whole_value:
        masked_elements(value, scope, lambda element: mask.compile(element, params, scope))
    else:
        mask.compile(value, params, scope)
    if not scope.undecided:
        return []
    subjects = ", ".join(f"`subject: {each.name}`" for each in scope.links)
    return [f"the table's rows have several subjects; say whose value it is: {subjects}, or `subject: none`"]


def check_unlisted(table: Table, column: Column) -> list[str]:
    """Everything that speaks against ``unlisted: null`` on a column, a sentence each."""
    if not column.not_null:
        key = null_repeats_in(table, column)
        if key:
            return [
                f"the unique key ({', '.join(key)}) takes NULLs for equal, so the column needs a mask of its"
                " own, or keep"
            ]
        return []
    keys = [column.name] if column.unique_alone else []
    if keys or any(column.name in key for key in table.unique_keys):
        return ["the column is NOT NULL and part of a unique key, so it needs a mask of its own, or keep"]
    if neutral_value(column) is None:
        return [f"the column is NOT NULL and there is no neutral value of the type {column.type}"]
    return []


def column_warnings(column: Column, mask: MaskSpec) -> list[str]:
    """What may still go wrong when the twin is loaded, a sentence each; nothing for a mask that is wrong."""
    if choices := alternatives_of(mask):
        masks = (each.mask for each in choices if not each.keeps)
        return list(dict.fromkeys(text for each in masks for text in column_warnings(column, each)))
    try:
        chosen, params = mask_and_params(mask, MASKS)
    except WrongMaskError:
        return []
    warnings = []
    nothing = chosen.name == "null"
    if column.check_constraints and not nothing:
        names = ", ".join(column.check_constraints)
        warnings.append(
            f"masked values must satisfy the CHECK constraint {names}, or the twin cannot be loaded: plan or"
            " schema tries it on masked rows before any is copied"
        )
    if column.null_checks and nothing:
        warnings.append(
            f"the CHECK constraint {', '.join(column.null_checks)} may not take NULL, and the twin could not"
            " be loaded then"
        )
    if column.domain_has_check and not nothing:
        warnings.append(
            f"masked values must satisfy the CHECK of the domain {column.type}, or the twin cannot be loaded:"
            " plan or schema tries it on masked rows before any is copied"
        )
    if not column.deterministic and chosen.name not in SAME_FOR_ALL:
        warnings.append(
            "its collation is nondeterministic: texts that it takes for equal get different masked values and"
            " no longer match each other"
        )
    if column.unique_partial and (
        column.null_repeats if nothing else not chosen.distinct(shape_of(column), params)
    ):
        warnings.append(
            "the column is part of a partial or expression index that is unique, and the mask may give equal"
            " values"
        )
    return warnings


def fitting(shape: Shape) -> list[str]:
    """The names of the masks that fit a type."""
    return [mask.name for mask in MASKS.values() if shape.kind in mask.kinds]


def _compiled(column: Column, mask: str, masked: Masked, scope: Scope) -> CompiledColumn:
    shape = shape_of(column)
    facets: tuple[Facet, ...] = masked.facets
    normal_form = masked.normal_form_sql
    if shape.folded and not shape.is_array and masked.preserves_distinct:
        # ANN and Ann are one value to citext, and to its masks.
        normal_form = normal_form or column_value(column).key_text
    elif shape.kind in OWNED:
        normal_form = normal_form or column_value(column).text
    return CompiledColumn(
        name=column.name,
        type=column.type,
        sql=f"({masked.sql})::{shape.array_cast or shape.cast}",
        mask=mask,
        bindings=tuple(scope.bindings.values()),
        proof=masked.proof,
        chance=masked.chance,
        output_domain_sql=masked.output_domain_sql,
        leak_sql=masked.leak_sql,
        shape_sql=masked.shape_sql,
        preserves_distinct=masked.preserves_distinct and not (shape.folded and shape.is_array),
        normal_form_sql=normal_form,
        repeats=masked.repeats and not shape.is_array and not column.unique_alone,
        facets=facets,
        subjects=tuple(scope.subjects),
        lookups=tuple(scope.lookups.values()),
    )


def _misfit(table: Table, column: Column, problems: list[str]) -> WrongRequestError:
    name = f"{table.qualified}.{column.name}"
    return WrongRequestError("\n".join(f"{name}: {problem}" for problem in problems))
