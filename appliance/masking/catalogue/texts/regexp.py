"""``regexp``: what a regular expression finds, replaced."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.patterns.matching import can_hold, groups, is_ascii, shortest
from appliance.masking.patterns.parsing import Node, WrongRegexpError, parse
from appliance.masking.patterns.writing import written
from appliance.masking.scope import Scope
from appliance.masking.shape import TEXT, Shape, Value

LONGEST_SEARCHED = 1_000_000
"""Bytes. A regular expression needs four of memory for each, and its time is not always linear."""
LONGEST_MADE = 100_000_000
"""Bytes, were each of them replaced."""
_REFERENCE = re.compile(r"\\(.?)", re.DOTALL)


class RegexpParams(Params):
    """What is looked for, and what it becomes."""

    pattern: str = Field(
        min_length=1,
        description="A regular expression: letters, sets such as [a-z], \\d, \\s and \\w of ASCII, groups, |,"
        " ?, *, +, {m,n}, ^ and $ for the whole text's ends; a point is all but a line's end. Repeats take as"
        " much as they can, and of several branches the longest counts.",
        examples=["[0-9]{3}-[0-9]{4}"],
    )
    replace: str = Field(
        default="",
        max_length=500,
        description="What stands in place of each match. \\1 to \\9 are what the groups of the pattern found,"
        " which stays; \\\\ is a backslash.",
        examples=["[number]"],
    )
    ignore_case: bool = Field(
        default=False, strict=True, description="A to Z match a to z too.", examples=[True]
    )
    others: Literal["keep", "blank"] = Field(
        default="keep",
        description="What becomes of a text in which nothing is found: it is kept as it is, or emptied.",
        examples=["blank"],
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> RegexpParams:
        try:
            tree = self.tree
        except WrongRegexpError as error:
            raise wrong(f"pattern: {error.what}", error.expected) from None
        width = shortest(tree)
        if width is None:
            raise wrong("pattern: can match nothing", "a pattern that some text matches")
        if width == 0:
            raise wrong(
                "pattern: matches an empty text too, so it would be found everywhere",
                "one character at least",
            )
        for found in _REFERENCE.finditer(self.replace):
            sign = found[1]
            if sign != "\\" and not ("1" <= sign <= "9" and int(sign) <= groups(tree)):
                raise wrong(
                    f"replace: `{found[0]}` refers to no group of the pattern",
                    f"\\1 to \\{min(groups(tree), 9)}, or \\\\"
                    if groups(tree)
                    else "a group in the pattern, or \\\\",
                )
        if "\0" in self.replace or any("\ud800" <= sign <= "\udfff" for sign in self.replace):
            raise wrong("replace: has a character that PostgreSQL text cannot hold", "plain text")
        return self

    @property
    def tree(self) -> Node:
        """The pattern, read. Raises WrongRegexpError."""
        return _tree(self.pattern, self.ignore_case)

    @property
    def refers(self) -> bool:
        """Whether something of a match stays."""
        return any(found[1] != "\\" for found in _REFERENCE.finditer(self.replace))

    @property
    def plain(self) -> str:
        """The replacement without its references and escapes."""
        return _REFERENCE.sub(lambda found: "\\" if found[1] == "\\" else "", self.replace)


@lru_cache(maxsize=256)
def _tree(pattern: str, ignore_case: bool) -> Node:
    return parse(pattern, ignore_case=ignore_case)


class Regexp(Mask[RegexpParams]):
    """Only what is found is replaced."""

    name = "regexp"
    summary = "Replaces what a regular expression finds, and keeps or empties all else."
    params = RegexpParams
    kinds = TEXT
    proof = "partial"
    promises = Promises(
        length="cut to the column's length",
        format="all that is not found is kept; text of more than 1 MB becomes empty",
    )
    hides = (
        "what the pattern finds, but for what `replace` refers to. Without `others: blank` all else stays."
    )
    learnt = "all that is not replaced, and where what was; there is no key."
    originals = (Original("Room 12, call 555-0100 or 555-0199"),)

    def compile(self, value: Value, params: RegexpParams, scope: Scope) -> Masked:
        """Masking again would change nothing, where no match can have in it what was put there."""
        text, tree = value.text, params.tree
        pattern = literal(written(tree))
        found = f"regexp_replace({text}, {pattern}, {literal(params.replace)}, 'g')"
        searched = min(LONGEST_SEARCHED, LONGEST_MADE // max(1, len(params.replace.encode())))
        if params.others == "blank":
            found = f"CASE WHEN {text} !~ {pattern} THEN '' ELSE {found} END"
        if value.shape.length is not None:
            found = f"left({found}, {value.shape.length})"
        sql = f"CASE WHEN octet_length({text}) > {searched} THEN '' ELSE {found} END"
        stays = params.refers or not params.plain or any(can_hold(tree, sign) for sign in params.plain)
        if stays or value.shape.length is not None:
            return Masked(sql, "by_chance", chance=1.0)
        long = f"octet_length({text}) > 2 * {LONGEST_MADE}"
        return Masked(
            sql,
            "partial",
            leak_sql=f"CASE WHEN {long} THEN true ELSE coalesce({text} ~ {pattern}, false) END",
        )

    def example(self, original: Original, params: RegexpParams) -> str:
        """By Python's own engine, for a pattern that finds no more than one thing in each place."""
        flags = re.ASCII | (re.IGNORECASE if params.ignore_case else 0)

        def replaced(match: re.Match[str]) -> str:
            return _REFERENCE.sub(
                lambda sign: "\\" if sign[1] == "\\" else match[int(sign[1])] or "", params.replace
            )

        made, times = re.subn(params.pattern, replaced, original.text, flags=flags)
        return made if times or params.others == "keep" else ""

    def problems(self, shape: Shape, params: RegexpParams, scope: Scope) -> list[str]:
        """A match longer than the column, or characters that the database's encoding does not have."""
        found = []
        width = shortest(params.tree) or 0
        if shape.length is not None and width > shape.length:
            found.append(
                f"pattern: a match has at least {width} characters, and the column {shape.length}:"
                " it can match nothing"
            )
        if scope.encoding != "UTF8" and not (is_ascii(params.tree) and params.replace.isascii()):
            found.append(f"pattern: the database's encoding is {scope.encoding}; use characters of ASCII")
        return found
