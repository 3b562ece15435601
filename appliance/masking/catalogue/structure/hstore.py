"""``hstore``: a mask for the values of some keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from appliance.masking.catalogue.structure.parts import facets_of, of_a_document, part_problems
from appliance.masking.compiled import Facet
from appliance.masking.expressions.sql_text import literal
from appliance.masking.json.params import ENDS, OrAnEnd
from appliance.masking.lookup import mask_and_params
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value
from appliance.workflow.document import MaskSpec

_TEXT = Shape("text", "text")
_OTHERS = "all else"


class HstoreParams(Params):
    """Which keys, and a mask for each."""

    keys: dict[str, Annotated[MaskSpec, OrAnEnd(ENDS)]] = Field(
        min_length=1,
        max_length=100,
        description="A mask for each key's value. `delete` takes key and value away, and `keep` keeps a value"
        " where the others are deleted.",
        examples=[{"email": "email", "note": "delete"}],
    )
    others: Literal["keep", "delete"] = Field(
        default="keep", description="What becomes of all other keys.", examples=["delete"]
    )

    def nested(self) -> Iterator[tuple[tuple[str, ...], str | MaskSpec]]:
        """Each key with its mask, or with what is wrong, for the check of a document."""
        for key, spec in self.keys.items():
            wrong = _wrong_end(spec, self.others)
            if wrong is not None:
                yield ("keys", key), wrong
            elif spec.mask not in ENDS:
                yield ("keys", key), spec


class Hstore(Mask[HstoreParams]):
    """Everything but the values of the keys stays, or goes."""

    name = "hstore"
    summary = "Masks the values of some keys of an hstore."
    params = HstoreParams
    kinds: ClassVar[frozenset[Kind]] = frozenset({"hstore"})
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks of the keys",
        format="a key that is missing stays missing, a value that is NULL stays NULL",
    )
    hides = "the values of the keys; with `others: delete` all else too, but for what `keep` says."
    learnt = "what the masks of the keys say, and all other keys and values, unless those are deleted."
    originals = ()
    """Its examples have the keys that are named."""

    def __init__(self, masks: Mapping[str, Mask[Any]]) -> None:
        """``masks`` are those that a key's value may have."""
        self._masks = masks

    def compile(self, value: Value, params: HstoreParams, scope: Scope) -> Masked:
        """Functions and operators by the extension's own schema."""
        schema = value.shape.cast.rpartition(".")[0] or "pg_catalog"
        document, facets = value.sql, list[Facet]()
        added, kept = [], []
        for key, spec in params.keys.items():
            at = f"({document} OPERATOR({schema}.->) {literal(key)}::text)"
            there = f"{schema}.exist({document}, {literal(key)}::text)"
            if spec.mask == "keep":
                kept.append(key)
                continue
            if spec.mask == "delete":
                gone = f"CASE WHEN {there} THEN 'there' END"
                facets.append(Facet(label=key, value_sql=gone, proof="constant"))
                continue
            mask, inner_params = mask_and_params(spec, self._masks)
            inner = mask.compile(Value(at, _TEXT), inner_params, scope)
            pair = f"{schema}.hstore({literal(key)}::text, ({inner.sql})::text)"
            added.append(f"CASE WHEN {there} THEN {pair} ELSE ''::{value.shape.cast} END")
            facets += facets_of(key, inner, Value(at, _TEXT))
        named = _texts(list(params.keys) if params.others == "keep" else kept)
        begun = (
            f"{schema}.delete({document}, {named})"
            if params.others == "keep"
            else f"{schema}.slice({document}, {named})"
        )
        if params.others == "delete":
            left = _texts([key for key, spec in params.keys.items() if spec.mask != "delete"])
            other = f"{schema}.delete({document}, {left})::text"
            facets.append(Facet(label=_OTHERS, value_sql=f"nullif({other}, '')", proof="constant"))
        joined = f" OPERATOR({schema}.||) ".join([begun, *added])
        sql = f"CASE WHEN {document} IS NOT NULL THEN {joined} END"
        return of_a_document(sql, facets, scope)

    def reads(self, params: HstoreParams) -> tuple[str, ...]:
        """What the masks of the keys read."""
        found = (mask_and_params(spec, self._masks) for spec in params.keys.values() if spec.mask not in ENDS)
        return tuple(name for mask, inner in found for name in mask.reads(inner))

    def follows_value(self, params: HstoreParams) -> bool:
        """If all its masks do."""
        found = (mask_and_params(spec, self._masks) for spec in params.keys.values() if spec.mask not in ENDS)
        return all(mask.follows_value(inner) for mask, inner in found)

    def examples(self, params: HstoreParams) -> tuple[tuple[str, str], ...]:
        """An hstore with an invented value for each key."""
        before, after = {}, {}
        for key, spec in params.keys.items():
            before[key] = "text"
            if spec.mask == "keep":
                after[key] = "text"
            elif spec.mask not in ENDS:
                mask, inner = mask_and_params(spec, self._masks)
                before[key], after[key] = next(iter(mask.examples(inner)), ("text", "text"))
        if params.others == "delete":
            before["other"] = "text"
        return ((_shown(before), _shown(after)),)

    def example(self, original: Original, params: HstoreParams) -> str:
        """Of an hstore that has the keys."""
        del original
        return self.examples(params)[0][1]

    def problems(self, shape: Shape, params: HstoreParams, scope: Scope) -> list[str]:
        """Masks that do not go with text."""
        found = []
        for key, spec in params.keys.items():
            wrong = _wrong_end(spec, params.others)
            if wrong is not None:
                found.append(f"keys: `{key}`: {wrong}")
            elif spec.mask not in ENDS:
                found += [f"keys: `{key}`: {each}" for each in part_problems(spec, _TEXT, scope, self._masks)]
        return found


def _wrong_end(spec: MaskSpec, others: str) -> str | None:
    if spec.mask not in ENDS:
        return None
    if spec.params:
        return f"{spec.mask} has no parameters"
    if spec.mask == "keep" and others == "keep":
        return "all other keys are kept already; keep says something with `others: delete`"
    return None


def _texts(keys: list[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, keys))}]::text[]"


def _shown(pairs: Mapping[str, str]) -> str:
    """As PostgreSQL writes it: short keys first."""
    ordered = dict(sorted(pairs.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode())))
    return ", ".join(
        f'"{key}"=>{"NULL" if value == "NULL" else chr(34) + value + chr(34)}'
        for key, value in ordered.items()
    )
