"""``json``: masks at paths inside json and jsonb documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from appliance.masking.catalogue.sets.constant import ConstantParams
from appliance.masking.catalogue.structure.parts import of_a_document
from appliance.masking.compiled import Facet, Proof
from appliance.masking.expressions.sql_text import identifier, literal
from appliance.masking.json.guard import is_jsonb
from appliance.masking.json.params import ENDS, JsonParams, why_no_end
from appliance.masking.json.paths import ANY_KEY, Branch, WrongPathError, jsonpath, parse_path, path_text
from appliance.masking.json.sql import NULL, Replacement, masked_document
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask, Masked, Original, Promises, shape_of_output
from appliance.masking.scope import Scope
from appliance.masking.shape import JSON, Kind, Shape, Value
from appliance.workflow.document import MaskSpec

# Scalars that a mask of text changes: not null, not empty.
_TEXTS = '(@.type() == "string" && @ != "") || @.type() == "number" || @.type() == "boolean"'
_NUMBERS = '@.type() == "number" && @ != 0'
_ANYTHING = '@.type() != "null"'
_OTHERS = "all else"
_IN_EXAMPLES = "text"
_TEXT = Shape("text", "text")
_NUMBER = Shape("numeric", "numeric")
_FITTING: frozenset[Kind] = frozenset({"text", "numeric"})


@dataclass(frozen=True)
class _Leaf:
    """One path and its mask."""

    keys: tuple[str, ...]
    mask: Mask[Any]
    params: Any
    several: bool
    """The path says that there are several values: each may be another person's."""

    @property
    def shape(self) -> Shape:
        return _TEXT if "text" in self.mask.kinds else _NUMBER

    def compile(self, sql: str, scope: Scope) -> Masked:
        """The mask of one value."""
        value = Value(sql, self.shape)
        if not self.several:
            return self.mask.compile(value, self.params, scope)
        with scope.in_list():
            return self.mask.compile(value, self.params, scope)

    @property
    def constant(self) -> str:
        """JSON text that replaces whatever stands there."""
        if isinstance(self.params, ConstantParams):
            return json.dumps(self.params.value, ensure_ascii=False)
        return "null"


class JsonDocument(Mask[JsonParams]):
    """Everything but the values at the paths stays, or goes."""

    name = "json"
    summary = "Masks the values at some paths of a JSON document."
    params = JsonParams
    kinds = JSON
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks at the paths",
        format="always a valid document; a path that is missing stays missing; an object, or a list inside"
        " a list, where a path ends or forks becomes null; a json that jsonb cannot hold becomes null",
    )
    hides = "the values at the paths; with `others: delete` all else too, but for what `keep` says."
    learnt = "what the masks at the paths say, and the rest of the document as it is, unless that is deleted."
    originals = ()
    """Its examples begin with a document that has the paths."""

    def __init__(self, masks: Mapping[str, Mask[Any]]) -> None:
        """``masks`` are those that may stand at a path."""
        self._masks = masks

    def compile(self, value: Value, params: JsonParams, scope: Scope) -> Masked:
        """One expression for all paths, and one thing to prove for each."""
        leaves = [self._leaf(path, spec) for path, spec in params.paths.items() if spec.mask not in ENDS]
        ends = {
            parse_path(path): Replacement(ENDS[spec.mask])
            for path, spec in params.paths.items()
            if spec.mask in ENDS
        }
        only = params.others == "delete"
        facets = [self._facet(value, leaf, scope) for leaf in leaves]
        facets += [_gone_facet(value, keys, scope) for keys, end in ends.items() if end.kind == "delete"]
        replaced = {leaf.keys: _replacement(leaf, scope) for leaf in leaves} | ends
        if only:
            kept = {
                keys: end if end.kind == "delete" else Replacement("keep") for keys, end in replaced.items()
            }
            pruned = self._document(value, kept, scope, only=True)
            form = "::text" if value.shape.kind == "json" else ""
            facets.append(
                Facet(
                    label=_OTHERS,
                    value_sql=f"{value.sql}::text",
                    proof="partial",
                    leak_sql=f"{value.sql}{form} IS DISTINCT FROM ({pruned}){form}",
                )
            )
        sql = self._document(value, replaced, scope, only=only)
        return of_a_document(sql, facets, scope)

    def reads(self, params: JsonParams) -> tuple[str, ...]:
        """What the masks at the paths read."""
        leaves = [self._leaf(path, spec) for path, spec in params.paths.items() if spec.mask not in ENDS]
        return tuple(name for leaf in leaves for name in leaf.mask.reads(leaf.params))

    def _leaf(self, path: str, spec: MaskSpec) -> _Leaf:
        keys, (mask, params) = parse_path(path), mask_and_params(spec, self._masks)
        return _Leaf(keys, mask, params, several="[" in path or ANY_KEY in keys)

    def _document(
        self,
        value: Value,
        ends: Mapping[tuple[str, ...], Replacement],
        scope: Scope,
        *,
        only: bool = False,
    ) -> str:
        tree: Branch[Replacement] = Branch()
        for keys, end in ends.items():
            tree.add(keys, end)
        name = identifier(scope.alias("appliance_value"))
        if value.shape.kind == "jsonb":
            return masked_document(value.sql, tree, name, only=only)
        # Parsed once, and only if that cannot fail.
        masked = masked_document(f"{value.sql}::jsonb", tree, name, only=only)
        return (
            f"CASE WHEN {value.sql} IS NULL THEN NULL WHEN {is_jsonb(value.sql, scope.encoding)}"
            f" THEN {masked}::json ELSE 'null'::json END"
        )

    def _facet(self, value: Value, leaf: _Leaf, scope: Scope) -> Facet:
        label = path_text(leaf.keys)
        if leaf.mask.whole_value:
            return _constant_facet(value, leaf, scope, label)
        inner = leaf.compile("NULL", scope)
        shown = _at(value, leaf.keys, _TEXTS if leaf.shape is _TEXT else _NUMBERS, scope)
        if inner.proof == "partial":
            # json has no equality, but what has been masked has the one text form that jsonb gives.
            form = "::text" if value.shape.kind == "json" else ""
            document = self._document(value, {leaf.keys: _left_over(leaf, scope)}, scope)
            leak = f"{value.sql}{form} IS DISTINCT FROM ({document}){form}"
            return Facet(label=label, value_sql=shown, proof="partial", leak_sql=leak)
        proof: Proof = "disjoint" if inner.proof == "disjoint" else "by_chance"
        return Facet(
            label=label,
            value_sql=shown,
            proof=proof,
            chance=inner.chance,
            shape_sql=_shape(shown, leaf, scope),
        )

    def examples(self, params: JsonParams) -> tuple[tuple[str, str], ...]:
        """A document with an invented value at each path."""
        before: Branch[JsonValue] = Branch()
        after: Branch[JsonValue] = Branch()
        for path, spec in params.paths.items():
            if spec.mask in ENDS:
                before.add(parse_path(path), _IN_EXAMPLES)
                if spec.mask == "keep":
                    after.add(parse_path(path), _IN_EXAMPLES)
                continue
            leaf = self._leaf(path, spec)
            original, made = _leaf_example(leaf)
            before.add(leaf.keys, original)
            after.add(leaf.keys, made)
        if params.others == "delete" and before.children and ANY_KEY not in before.children:
            before.children.setdefault("other", Branch(leaf=_IN_EXAMPLES))
        left = _as_json(after) if after.children or after.leaf is not None or not before.children else "{}"
        return ((_as_json(before), left),)

    def example(self, original: Original, params: JsonParams) -> str:
        """Of a document that has the paths."""
        del original
        return self.examples(params)[0][1]

    def problems(self, shape: Shape, params: JsonParams, scope: Scope) -> list[str]:
        """Paths that are none or cross each other, and masks that do not go with JSON values."""
        found: list[str] = []
        tree: Branch[bool] = Branch()
        for path, spec in params.paths.items():
            try:
                tree.add(parse_path(path), True)
            except WrongPathError as wrong:
                found.append(f"paths: `{path}`: {wrong}")
            wrong_end = why_no_end(path, spec, params.others)
            if wrong_end is not None:
                found.append(f"paths: `{path}`: {wrong_end}")
            elif spec.mask not in ENDS:
                found += [f"paths: `{path}`: {problem}" for problem in self._inner_problems(spec, scope)]
        return found

    def _inner_problems(self, spec: MaskSpec, scope: Scope) -> list[str]:
        try:
            mask, params = mask_and_params(spec, self._masks)
        except WrongMaskError as wrong:
            return wrong.problems
        if isinstance(params, ConstantParams):
            return mask.problems(Shape("jsonb", "jsonb"), ConstantParams(value=_in_json(params)), scope)
        if mask.whole_value:
            return []
        if not mask.kinds & _FITTING:
            fitting = [each.name for each in self._masks.values() if each.kinds & _FITTING]
            return [f"the mask '{mask.name}' does not fit a JSON value; these do: {', '.join(fitting)}"]
        return list(mask.problems(_TEXT if "text" in mask.kinds else _NUMBER, params, scope))


def _leaf_example(leaf: _Leaf) -> tuple[JsonValue, JsonValue]:
    """What stands at a path before and after."""
    wanted = leaf.shape.kind if not leaf.mask.whole_value else "text"
    original = next((each for each in leaf.mask.originals if each.type == wanted), leaf.mask.originals[0])
    if isinstance(leaf.params, ConstantParams):
        return original.text, leaf.params.value
    if leaf.mask.whole_value:
        return original.text, None
    if wanted == "text":
        return original.text, leaf.mask.example(original, leaf.params)
    number = float(original.text)
    # A document has no zeros at the end but those that stand in it.
    return number, float(leaf.mask.example(Original(json.dumps(number), original.type), leaf.params))


def _as_json(tree: Branch[JsonValue]) -> str:
    def nested(branch: Branch[JsonValue]) -> JsonValue:
        if branch.leaf is not None or not branch.children:
            return branch.leaf
        return {"any" if key == ANY_KEY else key: nested(each) for key, each in branch.children.items()}

    return json.dumps(nested(tree), ensure_ascii=False)


def _replacement(leaf: _Leaf, scope: Scope) -> Replacement:
    if leaf.mask.whole_value:
        fixed = f"{literal(leaf.constant)}::jsonb"
        if isinstance(leaf.params, ConstantParams) and leaf.params.keep_null:
            return Replacement(
                "constant", lambda sql: f"CASE jsonb_typeof({sql}) WHEN 'null' THEN {NULL} ELSE {fixed} END"
            )
        return Replacement("constant", lambda _: fixed)

    def masked(sql: str) -> str:
        inner = leaf.compile(sql, scope).sql
        return f"({inner})::{leaf.shape.cast}"

    return Replacement("text" if leaf.shape is _TEXT else "number", masked)


def _left_over(leaf: _Leaf, scope: Scope) -> Replacement:
    """NULL for a text in which something is left: the mask may read other columns, which the twin has not."""

    def looked_at(sql: str) -> str:
        leak = leaf.compile(sql, scope).leak_sql
        return f"CASE WHEN {leak} THEN NULL ELSE {sql} END"

    return Replacement("text", looked_at)


def _gone_facet(value: Value, keys: tuple[str, ...], scope: Scope) -> Facet:
    """In the twin nothing stands at the path, not even null."""
    shown = _at(value, keys, '@.type() != ""', scope)
    return Facet(label=path_text(keys), value_sql=shown, proof="constant")


def _constant_facet(value: Value, leaf: _Leaf, scope: Scope, label: str) -> Facet:
    """In the twin nothing but the constant stands at the path: what else does, as text, must be NULL."""
    fixed = leaf.constant
    if fixed[:1] in "[{":
        # An object or a list cannot be compared inside a path.
        return Facet(label=label, value_sql="NULL::text", proof="none")
    condition = (
        _ANYTHING if fixed == "null" else f"{_ANYTHING} && ((@ == {fixed}) is unknown || @ != {fixed})"
    )
    return Facet(label=label, value_sql=_at(value, leaf.keys, condition, scope), proof="constant")


def _shape(shown: str, leaf: _Leaf, scope: Scope) -> str | None:
    """Whether each of the values that stand at a path is one that the mask there makes."""
    if leaf.shape is not _TEXT:
        return None
    one = "appliance_list.appliance_text"
    made = shape_of_output(one, leaf.compile(one, scope))
    if made is None:
        return None
    listed = f"jsonb_array_elements_text(({shown})::jsonb) AS appliance_list (appliance_text)"
    return f"NOT EXISTS (SELECT FROM {listed} WHERE NOT ({made}))"


def _in_json(params: ConstantParams) -> Any:
    """Inside a document a text is a JSON string, not JSON text."""
    return json.dumps(params.value) if isinstance(params.value, str) else params.value


def _at(value: Value, keys: tuple[str, ...], condition: str, scope: Scope) -> str:
    """What stands at a path, as text; NULL if that is nothing to compare."""
    path = literal(jsonpath(keys, condition))
    document = value.sql if value.shape.kind == "jsonb" else f"{value.sql}::jsonb"
    found = f"nullif(jsonb_path_query_array({document}, {path}, '{{}}', true)::text, '[]')"
    if value.shape.kind == "jsonb":
        return found
    return f"CASE WHEN {is_jsonb(value.sql, scope.encoding)} THEN {found} END"
