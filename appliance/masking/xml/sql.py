"""The SQL that takes an XML document apart, masks what stands at some paths, and puts it together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.masking.expressions.sql_text import literal
from appliance.masking.xml.characters import LONGEST_DOCUMENT, decoded, is_read, trimmed, written
from appliance.masking.xml.levels import CDATA, CLOSING, EMPTY, OPENING, TEXT, Levels, levels_of
from appliance.masking.xml.paths import ANY, XmlPath
from appliance.masking.xml.tags import AttributeRule, attribute_rows, attributes, is_called

_WRITTEN_NAME = literal(r"^<([^ \t\n\r/>]+)")


@dataclass(frozen=True)
class Rule:
    """What becomes of what a path leads to."""

    path: XmlPath
    kind: Literal["mask", "delete", "keep"]
    masked: Callable[[str], str] = str
    """From the SQL of a value, as text, to that of its replacement, as text; NULL leaves nothing."""


@dataclass(frozen=True)
class Rewriting:
    """How a document is written anew."""

    rules: Sequence[Rule]
    only: bool
    """What no path leads to goes."""
    encoding: str
    prefix: str
    """No column of the source's table begins so."""
    longest: int | None = None
    """Characters that fit."""

    @property
    def of_elements(self) -> list[Rule]:
        """Masks and deletions first. A rule's place in the list, from 1, is what a row says of an element."""
        found = [each for each in self.rules if each.path.attribute is None]
        return sorted(found, key=lambda rule: rule.kind == "keep")

    @property
    def of_attributes(self) -> list[Rule]:
        return [each for each in self.rules if each.path.attribute is not None]

    def document(self, text: str) -> str:
        """The new document as text: NULL for NULL, empty where the old one cannot be read, and where the new
        one could not be.
        """
        old, new = f"{self.prefix}_doc", f"{self.prefix}_new"
        fits = "" if self.longest is None else f" AND length({new}) <= {self.longest}"
        again = f"CASE WHEN {is_read(new, self.encoding)}{fits} THEN {new} ELSE '' END"
        whole = f"(SELECT {again} FROM ({self._written(old)} OFFSET 0) AS appliance_new)"
        return (
            f"(SELECT CASE WHEN {old} IS NULL THEN NULL WHEN {is_read(old, self.encoding)} THEN {whole}"
            f" ELSE '' END FROM (SELECT {text} AS {old} OFFSET 0) AS appliance_old)"
        )

    def _written(self, document: str) -> str:
        level = self._regions(levels_of(document, self.prefix))
        name, rules = level.name, self.of_elements
        masked = " ".join(
            f"WHEN {number} THEN coalesce({self._made(rule, name('value'))}, '')"
            for number, rule in enumerate(rules, 1)
            if rule.kind == "mask"
        )
        level.add(made=f"CASE {name('rule')} {masked} END" if masked else "''::text")
        level.add(out=self._piece(level))
        level.add(size=f"sum(octet_length({name('out')})) OVER {level.in_order}")
        size, fits = name("size"), f"{name('size')} <= {LONGEST_DOCUMENT}"
        return (
            f"SELECT CASE WHEN max({size}) > {LONGEST_DOCUMENT} THEN '' ELSE"
            f" coalesce(string_agg({name('out')}, '' ORDER BY {name('ord')}) FILTER (WHERE {fits}), '') END"
            f" AS {self.prefix}_new FROM ({level.sql}) AS appliance_out"
        )

    def _made(self, rule: Rule, value: str) -> str:
        return written(f"({rule.masked(value)})", self.encoding, "text")

    def _regions(self, level: Levels) -> Levels:
        """Rows of what is written: a masked or deleted element with all in it is one, with its ``value``.

        ``rule`` is the number of the rule for it, ``held`` whether it stands in a kept element, ``live``
        whether it leads to something that stays.
        """
        name, rules = level.name, self.of_elements
        conditions = level.match([rule.path for rule in (*rules, *self.of_attributes)])
        hits = " ".join(
            f"WHEN {condition} THEN {number}" for number, condition in enumerate(conditions[: len(rules)], 1)
        )
        level.add(
            hit=f"CASE {hits} ELSE 0 END" if hits else "0",
            **{
                f"t{number}": self._has(rule, condition, name("tok"))
                for number, (rule, condition) in enumerate(
                    zip(self.of_attributes, conditions[len(rules) :], strict=True)
                )
            },
        )
        kind, masks = name("kind"), sum(rule.kind != "keep" for rule in rules)
        self._add_live(level)
        level.add(rule=self._of_both_tags(level, "hit"))
        masked, kept = f"{name('rule')} BETWEEN 1 AND {masks}", f"{name('rule')} > {masks}"

        def inside(condition: str) -> str:
            step = f"CASE {kind} WHEN {OPENING} THEN 1 WHEN {CLOSING} THEN -1 ELSE 0 END"
            return f"sum(CASE WHEN {condition} THEN {step} ELSE 0 END) OVER {level.in_order}"

        level.add(nest=inside(masked), knest=inside(kept))
        ends = f"{kind} IN ({EMPTY}, {CLOSING})"
        outermost = f"{masked} AND {name('nest')} = CASE {kind} WHEN {OPENING} THEN 1 WHEN {EMPTY} THEN 0 END"
        level.add(
            head=f"max(CASE WHEN {outermost} THEN {name('ord')} END) OVER {level.in_order}",
            inside=f"({name('nest')} > 0 OR ({ends} AND {masked}))",
            held=f"({name('knest')} > 0 OR ({ends} AND {kept}))",
        )
        piece = name("tok")
        plain = (
            f"replace(replace(substr({piece}, 10, length({piece}) - 12), E'\\r\\n', E'\\n'), E'\\r', E'\\n')"
        )
        level.add(
            part=f"CASE WHEN {name('inside')} THEN {name('head')} ELSE {name('ord')} END",
            said=f"CASE WHEN {name('inside')} THEN CASE {kind}"
            f" WHEN {TEXT} THEN {decoded(piece, self.encoding, self.prefix)}"
            f" WHEN {CDATA} THEN {plain} END END",
        )
        whole = (
            f"(PARTITION BY {name('part')} ORDER BY {name('ord')}"
            " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
        )
        level.add(
            joined=f"string_agg({name('said')}, '') OVER {whole}",
            elements=f"sum(CASE WHEN {level.begins} THEN 1 ELSE 0 END) OVER {whole}",
        )
        alone = f"CASE WHEN {name('elements')} > 1 THEN '' ELSE coalesce({name('joined')}, '') END"
        level.add(f"{name('part')} = {name('ord')}", value=trimmed(alone))
        return level

    def _has(self, rule: Rule, condition: str, tag: str) -> str:
        """That a tag has the attribute: what leads to none is not live."""
        if not self.only:
            return condition
        rows = attribute_rows(tag, self.encoding, self.prefix)
        called = is_called(rule.path.attribute or ANY, self.prefix)
        there = f"EXISTS (SELECT FROM ({rows}) AS appliance_has WHERE {called})"
        return f"CASE WHEN {condition} THEN {there} ELSE false END"

    def _add_live(self, level: Levels) -> None:
        name, kind = level.name, level.name("kind")
        if not self.only:
            level.add(live="true")
            return
        wanted = [
            f"{name('hit')} = {number}"
            for number, rule in enumerate(self.of_elements, 1)
            if rule.kind != "delete"
        ]
        wanted += [
            name(f"t{number}") for number, rule in enumerate(self.of_attributes) if rule.kind != "delete"
        ]
        level.add(wanted=f"({' OR '.join(wanted) or 'false'})::int")
        level.add(sofar=f"sum({name('wanted')}) OVER {level.in_order}")
        within = f"lead({name('sofar')}) OVER {level.at_depth} - {name('sofar')} + {name('wanted')} > 0"
        level.add(leads=f"CASE {kind} WHEN {OPENING} THEN {within} ELSE {name('wanted')} > 0 END")
        level.add(live=self._of_both_tags(level, "leads"))

    def _of_both_tags(self, level: Levels, column: str) -> str:
        """What the tag says that begins an element, also for the one that ends it."""
        said, kind = level.name(column), level.name("kind")
        return f"CASE {kind} WHEN {CLOSING} THEN lag({said}) OVER {level.at_depth} ELSE {said} END"

    def _piece(self, level: Levels) -> str:
        """What is written for a row; NULL for nothing."""
        name, rules = level.name, self.of_elements
        kind, piece, rule, local = (name(each) for each in ("kind", "tok", "rule", "name"))
        spelled = name("held") if self.only else "true"
        masks = [number for number, each in enumerate(rules, 1) if each.kind == "mask"]
        gone = [number for number, each in enumerate(rules, 1) if each.kind == "delete"]
        is_mask = _among(rule, masks)
        called = f"CASE WHEN {spelled} THEN substring({piece} FROM {_WRITTEN_NAME}) ELSE {local} END"
        kept = f"({spelled} AND NOT {is_mask})"
        tests = [name(f"t{number}") for number in range(len(self.of_attributes))]
        made = attributes(
            piece,
            [
                AttributeRule(
                    test,
                    each.path.attribute or ANY,
                    each.masked if each.kind == "mask" else None,
                    deleted=each.kind == "delete",
                )
                for test, each in zip(tests, self.of_attributes, strict=True)
            ],
            encoding=self.encoding,
            prefix=self.prefix,
            kept=kept,
            spelled=spelled,
        )
        tag = f"'<' || {called} || {made}"
        as_it_is = f"{kept} AND NOT ({' OR '.join(tests) or 'false'})"
        new = name("made")
        return (
            f"CASE WHEN {_among(rule, gone)} THEN NULL"
            f" WHEN {is_mask} THEN {tag} || CASE WHEN {new} = '' THEN '/>'"
            f" ELSE '>' || {new} || '</' || {called} || '>' END"
            # Nothing says what text outside of elements is.
            f" WHEN {kind} IN ({TEXT}, {CDATA})"
            f" THEN CASE WHEN {name('depth')} > 0 AND {spelled} THEN {piece} END"
            f" WHEN NOT ({spelled} OR {name('live')}) THEN NULL"
            f" WHEN {kind} = {CLOSING} THEN CASE WHEN {spelled} THEN {piece} ELSE '</' || {local} || '>' END"
            f" WHEN {as_it_is} THEN {piece}"
            f" ELSE {tag} || CASE {kind} WHEN {EMPTY} THEN '/>' ELSE '>' END END"
        )

    def values(self, text: str) -> str:
        """A query of the values, as text, that stand at the path of the only rule; none where the document
        cannot be read.
        """
        (rule,) = self.rules
        level, value = levels_of(f"{self.prefix}_doc", self.prefix), f"{self.prefix}_value"
        if rule.path.attribute is None:
            self._regions(level)
            found = f"SELECT {value} FROM ({level.sql}) AS appliance_values WHERE {level.name('rule')} = 1"
        else:
            (condition,) = level.match([rule.path])
            rows = attribute_rows(level.name("tok"), self.encoding, self.prefix)
            found = (
                f"SELECT {self.prefix}_avalue AS {value} FROM ({level.sql}) AS appliance_values,"
                f" LATERAL ({rows}) AS appliance_read"
                f" WHERE {condition} AND {is_called(rule.path.attribute, self.prefix)}"
            )
        read = f"SELECT CASE WHEN {is_read(f'{self.prefix}_raw', self.encoding)} THEN {self.prefix}_raw END"
        return (
            f"SELECT {value} FROM (SELECT ({read}) AS {self.prefix}_doc FROM (SELECT {text} AS"
            f" {self.prefix}_raw OFFSET 0) AS appliance_raw OFFSET 0) AS appliance_old,"
            f" LATERAL ({found}) AS appliance_found"
        )


def _among(number: str, wanted: Sequence[int]) -> str:
    return f"{number} IN ({', '.join(map(str, wanted))})" if wanted else "false"
