"""``xml``: masks at paths inside XML documents, in columns of the type or in texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from appliance.masking.catalogue.sets.constant import ConstantParams
from appliance.masking.catalogue.structure.parts import of_a_document
from appliance.masking.compiled import Facet, Proof
from appliance.masking.expressions.sql_text import literal, short_match
from appliance.masking.json.params import ENDS
from appliance.masking.lookup import WrongMaskError, mask_and_params
from appliance.masking.mask import Mask, Masked, Original, Promises, shape_of_output
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value
from appliance.masking.xml.examples import example_documents
from appliance.masking.xml.params import XmlParams, path_problems
from appliance.masking.xml.paths import XmlPath, parse_xml_path
from appliance.masking.xml.sql import Rewriting, Rule
from appliance.workflow.document import MaskSpec

_OTHERS = "all else"
_TEXT = Shape("text", "text")
_NUMBER = Shape("numeric", "numeric")
_FITTING: frozenset[Kind] = frozenset({"text", "numeric"})
_DIGITS = r"[-+]?[0-9]{1,30}([.][0-9]{1,30})?"


@dataclass(frozen=True)
class _Leaf:
    """One path and its mask."""

    path: XmlPath
    mask: Mask[Any]
    params: Any

    @property
    def shape(self) -> Shape:
        return _TEXT if "text" in self.mask.kinds else _NUMBER

    @property
    def constant(self) -> str:
        """Text that replaces whatever stands there."""
        if not isinstance(self.params, ConstantParams):
            return ""
        given = self.params.value
        return ("true" if given else "false") if isinstance(given, bool) else str(given)

    def compile(self, sql: str, scope: Scope) -> Masked:
        """The mask of one value."""
        value = Value(sql, self.shape)
        if not self.path.several:
            return self.mask.compile(value, self.params, scope)
        with scope.in_list():
            return self.mask.compile(value, self.params, scope)

    def masked(self, sql: str, scope: Scope) -> str:
        """A text's replacement, as text."""
        if self.mask.whole_value:
            return literal(self.constant)
        if self.shape is _TEXT:
            return f"CASE WHEN {sql} <> '' THEN ({self.compile(sql, scope).sql})::text END"
        number = scope.alias("appliance_number")
        given = f"(SELECT {sql}::numeric AS {number} OFFSET 0) AS appliance_numeric"
        made = f"(SELECT ({self.compile(number, scope).sql})::text FROM {given})"
        return f"CASE WHEN {short_match(sql, _DIGITS)} THEN {made} END"


class XmlDocument(Mask[XmlParams]):
    """Everything but what stands at the paths stays, or goes."""

    name = "xml"
    summary = "Masks what stands at some paths of an XML document."
    params = XmlParams
    kinds: ClassVar[frozenset[Kind]] = frozenset({"xml", "text"})
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks at the paths",
        format="always well-formed content; a path that is missing stays missing; an element at whose path a "
        "mask stands becomes empty if there are elements in it, and loses its attributes but for "
        "those that a path names; blanks around a value go, and what is written as a reference "
        "(`&amp;`, `&#65;`) is masked as its character; with `others: delete` names lose their "
        "prefix, and declarations of namespaces go; what the server does not take for XML, what has a "
        "document type (entities are declared there), and what has more than 32 MB becomes empty as a "
        "whole",
    )
    hides = (
        "what stands at the paths, comments, processing instructions, the declaration, and text outside of"
        " elements; with `others: delete` all else too, but for what `keep` says."
    )
    learnt = "what the masks at the paths say, and the rest of the document as it is, unless that is deleted."
    originals = ()
    """Its examples begin with a document that has the paths."""

    def __init__(self, masks: Mapping[str, Mask[Any]]) -> None:
        """``masks`` are those that may stand at a path."""
        self._masks = masks

    def compile(self, value: Value, params: XmlParams, scope: Scope) -> Masked:
        """One expression for all paths, and one thing to prove for each."""
        leaves = self._leaves(params)
        ends = [
            Rule(parse_xml_path(path), ENDS[spec.mask])
            for path, spec in params.paths.items()
            if spec.mask in ENDS
        ]
        only = params.others == "delete"

        def rewriting(rules: list[Rule]) -> Rewriting:
            return Rewriting(rules, only, scope.encoding, _prefix(scope), value.shape.length)

        def made_by(leaf: _Leaf) -> Rule:
            return Rule(leaf.path, "mask", lambda sql: leaf.masked(sql, scope))

        document = rewriting([made_by(leaf) for leaf in leaves] + ends).document(value.text)
        # What has been masked is written in one way: to write it again with every value as it is changes
        # nothing.
        again = rewriting([Rule(leaf.path, "mask") for leaf in leaves] + ends).document(value.text)
        left = f"{value.text} IS DISTINCT FROM {again}"
        facets = [self._facet(value, leaf, scope) for leaf in leaves]
        facets.append(Facet(label=_OTHERS, value_sql=f"{value.sql}::text", proof="partial", leak_sql=left))
        sql = f"xmlparse(CONTENT {document})" if value.shape.kind == "xml" else document
        return of_a_document(sql, facets, scope)

    def reads(self, params: XmlParams) -> tuple[str, ...]:
        """What the masks at the paths read."""
        return tuple(name for leaf in self._leaves(params) for name in leaf.mask.reads(leaf.params))

    def follows_value(self, params: XmlParams) -> bool:
        """If all its masks do."""
        return all(leaf.mask.follows_value(leaf.params) for leaf in self._leaves(params))

    def _leaves(self, params: XmlParams) -> list[_Leaf]:
        return [
            _Leaf(parse_xml_path(path), *mask_and_params(spec, self._masks))
            for path, spec in params.paths.items()
            if spec.mask not in ENDS
        ]

    def _facet(self, value: Value, leaf: _Leaf, scope: Scope) -> Facet:
        prefix = _prefix(scope)
        one = f"{prefix}_value"
        found = Rewriting([Rule(leaf.path, "mask")], False, scope.encoding, prefix).values(value.text)
        label = str(leaf.path)
        if leaf.mask.whole_value:
            other = _listed(found, one, f"{one} <> {literal(leaf.constant.strip())}")
            return Facet(label=label, value_sql=other, proof="constant")
        inner = leaf.compile(one, scope)
        there = f"{one} <> ''"
        if leaf.shape is _NUMBER:
            inner = leaf.compile("NULL::numeric", scope)
            there = f"CASE WHEN {short_match(one, _DIGITS)} THEN {one}::numeric <> 0 ELSE false END"
        shown = _listed(found, one, there)
        if inner.proof == "partial":
            leak = f"EXISTS (SELECT FROM ({found}) AS appliance_left WHERE {one} <> '' AND {inner.leak_sql})"
            return Facet(label=label, value_sql=shown, proof="partial", leak_sql=leak)
        proof: Proof = "disjoint" if inner.proof == "disjoint" else "by_chance"
        shape = shape_of_output(one, inner) if leaf.shape is _TEXT else None
        if shape is not None:
            shape = (
                f"NOT EXISTS (SELECT FROM ({found}) AS appliance_made WHERE {one} <> '' AND NOT ({shape}))"
            )
        return Facet(label=label, value_sql=shown, proof=proof, chance=inner.chance, shape_sql=shape)

    def examples(self, params: XmlParams) -> tuple[tuple[str, str], ...]:
        """A document with an invented value at each path."""
        shown: dict[XmlPath, tuple[str, str | None]] = {}
        for path, spec in params.paths.items():
            if spec.mask in ENDS:
                shown[parse_xml_path(path)] = ("text", "text" if spec.mask == "keep" else None)
        for leaf in self._leaves(params):
            shown[leaf.path] = _leaf_example(leaf)
        order = {parse_xml_path(path): place for place, path in enumerate(params.paths)}
        ordered = dict(sorted(shown.items(), key=lambda each: order[each[0]]))
        return (example_documents(ordered, only=params.others == "delete"),)

    def example(self, original: Original, params: XmlParams) -> str:
        """Of a document that has the paths."""
        del original
        return self.examples(params)[0][1]

    def problems(self, shape: Shape, params: XmlParams, scope: Scope) -> list[str]:
        """Paths that are none or cross each other, and masks that do not go with texts."""
        found = [f"paths: `{path}`: {wrong}" for path, wrong in path_problems(params.paths, params.others)]
        for path, spec in params.paths.items():
            if spec.mask not in ENDS:
                found += [f"paths: `{path}`: {problem}" for problem in self._inner_problems(spec, scope)]
        return found

    def _inner_problems(self, spec: MaskSpec, scope: Scope) -> list[str]:
        try:
            mask, params = mask_and_params(spec, self._masks)
        except WrongMaskError as wrong:
            return wrong.problems
        if isinstance(params, ConstantParams):
            if params.keep_null:
                return ["a value in XML is never NULL, so there is none to keep"]
            return mask.problems(_TEXT, ConstantParams(value=params.value), scope)
        if mask.whole_value:
            return []
        if not mask.kinds & _FITTING:
            fitting = [each.name for each in self._masks.values() if each.kinds & _FITTING]
            return [f"the mask '{mask.name}' does not fit a text; these do: {', '.join(fitting)}"]
        return list(mask.problems(_TEXT if "text" in mask.kinds else _NUMBER, params, scope))


def _leaf_example(leaf: _Leaf) -> tuple[str, str | None]:
    wanted = leaf.shape.kind if not leaf.mask.whole_value else "text"
    original = next((each for each in leaf.mask.originals if each.type == wanted), leaf.mask.originals[0])
    if leaf.mask.whole_value:
        return original.text, leaf.constant
    return original.text, leaf.mask.example(original, leaf.params)


def _listed(values: str, one: str, condition: str) -> str:
    """The values of a query that meet a condition, as one text; NULL for none."""
    return f"(SELECT string_agg({one}, E'\\n') FROM ({values}) AS appliance_listed WHERE {condition})"


def _prefix(scope: Scope) -> str:
    prefix = "appliance_x"
    while any(column.name.startswith(prefix) for column in scope.table.columns):
        prefix += "x"
    return prefix
