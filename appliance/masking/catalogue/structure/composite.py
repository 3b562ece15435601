"""``composite``: a mask for each field of a composite type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from appliance.documents.problems import did_you_mean
from appliance.masking.catalogue.structure.parts import facets_of, of_a_document, part_problems
from appliance.masking.compiled import Facet
from appliance.masking.expressions.arrays import masked_elements
from appliance.masking.expressions.sql_text import identifier
from appliance.masking.json.params import OrAnEnd
from appliance.masking.lookup import mask_and_params
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value
from appliance.workflow.document import MaskSpec

KEEP = "keep"


class CompositeParams(Params):
    """What becomes of each field."""

    DEEP: ClassVar[bool] = True
    """A field may be a document or a composite type itself."""

    fields: dict[str, Annotated[MaskSpec, OrAnEnd((KEEP,))]] = Field(
        min_length=1,
        max_length=100,
        description="A mask, or `keep`, for every field that the type has.",
        examples=[{"street": "street", "zip": {"mask": "postcode", "keep_first": 2}, "kind": "keep"}],
    )

    def nested(self) -> Iterator[tuple[tuple[str, ...], str | MaskSpec]]:
        """Each field with its mask, for the check of a document."""
        for name, spec in self.fields.items():
            if spec.mask != KEEP:
                yield ("fields", name), spec
            elif spec.params:
                yield ("fields", name), "keep has no parameters"


class Composite(Mask[CompositeParams]):
    """The value is put together again from its fields. A field that is not named is an error."""

    name = "composite"
    summary = "Masks the fields of a composite type, each with a mask of its own."
    params = CompositeParams
    kinds: ClassVar[frozenset[Kind]] = frozenset({"composite"})
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks of the fields", format="NULL stays NULL; a field that is NULL too"
    )
    hides = "what the masks of its fields hide; a field that is kept stays."
    learnt = "what the masks of its fields say, and the fields that are kept."
    originals = ()
    """Its examples have the fields that are named."""

    def __init__(self, masks: Mapping[str, Mask[Any]]) -> None:
        """``masks`` are those that a field may have, besides this one."""
        self._masks = {**masks, self.name: self}

    def compile(self, value: Value, params: CompositeParams, scope: Scope) -> Masked:
        """A row of the fields, and one thing to prove for each."""
        made, facets = [], list[Facet]()
        for name, shape in value.shape.fields:
            field = Value(f"({value.sql}).{identifier(name)}", shape)
            spec = params.fields[name]
            if spec.mask == KEEP:
                made.append(field.sql)
                continue
            mask, inner_params = mask_and_params(spec, self._masks)
            if shape.is_array and not mask.whole_value:
                inner = masked_elements(
                    field,
                    scope,
                    lambda each, m=mask, p=inner_params: m.compile(each, p, scope),  # type: ignore[misc]
                )
            else:
                inner = mask.compile(field, inner_params, scope)
            if shape.checked and spec.mask == "null":
                # A NULL that is cast to the domain is held against its CHECK, by the source.
                made.append(f"(NULL::{value.shape.cast}).{identifier(name)}")
            else:
                made.append(f"({inner.sql})::{shape.array_cast or shape.cast}")
            facets += facets_of(name, inner, field)
        row = f"ROW({', '.join(made)})::{value.shape.cast}"
        # IS NULL would be true of a row that has nothing but NULLs.
        sql = f"CASE WHEN num_nulls({value.sql}) = 0 THEN {row} END"
        return of_a_document(sql, facets, scope)

    def reads(self, params: CompositeParams) -> tuple[str, ...]:
        """What the masks of the fields read."""
        specs = (spec for spec in params.fields.values() if spec.mask != KEEP)
        found = (mask_and_params(spec, self._masks) for spec in specs)
        return tuple(name for mask, inner in found for name in mask.reads(inner))

    def follows_value(self, params: CompositeParams) -> bool:
        """If all its masks do."""
        specs = (spec for spec in params.fields.values() if spec.mask != KEEP)
        found = (mask_and_params(spec, self._masks) for spec in specs)
        return all(mask.follows_value(inner) for mask, inner in found)

    def examples(self, params: CompositeParams) -> tuple[tuple[str, str], ...]:
        """A row with an invented value in each field, as one writes it with the names."""
        before, after = [], []
        for name, spec in params.fields.items():
            if spec.mask == KEEP:
                original = made = "text"
            else:
                mask, inner = mask_and_params(spec, self._masks)
                original, made = next(iter(mask.examples(inner)), ("text", "text"))
            before.append(f"{name}: {original}")
            after.append(f"{name}: {made}")
        return ((f"({', '.join(before)})", f"({', '.join(after)})"),)

    def example(self, original: Original, params: CompositeParams) -> str:
        """Of a row with these fields."""
        del original
        return self.examples(params)[0][1]

    def problems(self, shape: Shape, params: CompositeParams, scope: Scope) -> list[str]:
        """Fields that are not there, or of which nothing is said, and masks that do not fit them."""
        fields = dict(shape.fields)
        if not fields:
            # The dashboard does not know them; the plan does.
            return []
        found = []
        for name in params.fields:
            if name not in fields:
                close = did_you_mean(name, fields)
                hint = f"; did you mean {close}?" if close else f"; it has {', '.join(fields) or 'none'}"
                found.append(f"fields: {shape.cast} has no field `{name}`{hint}")
        for name, inner in fields.items():
            spec = params.fields.get(name)
            if spec is None:
                found.append(f"fields: nothing says what becomes of `{name}`; give it a mask, or keep")
            elif spec.mask != KEEP:
                if inner.checked and spec.mask != "null":
                    found.append(f"fields: `{name}` is of a domain with a CHECK; use null or keep")
                found += [
                    f"fields: `{name}`: {each}" for each in part_problems(spec, inner, scope, self._masks)
                ]
        return found
