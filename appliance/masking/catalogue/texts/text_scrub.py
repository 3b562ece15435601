"""``text_scrub``: free text without the e-mails, numbers and addresses in it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from appliance.masking.catalogue.texts.own_names import without_names
from appliance.masking.catalogue.texts.scrub_patterns import (
    ALL,
    Pattern,
    Scrubbed,
    hint,
    many_digits,
    patterns,
)
from appliance.masking.mask import ColumnNames, Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import TEXT, Shape, Value

LONGEST_SEARCHED = 16_000_000
"""Bytes. A regular expression needs four of memory for each, so longer text goes as a whole."""
TOO_LONG = "[scrubbed]"

_NEVER = "$a"
"""A pattern that the server knows to match nothing, and gives up at once."""
_OF_DIGITS = ("card", "ssn", "phone")


_IN_EXAMPLES: dict[Scrubbed, tuple[str, ...]] = {
    "email": ("ann@corp.test",),
    "ip": ("10.1.2.3",),
    "card": ("4111 1111 1111 1111",),
    "ssn": ("219-09-9999",),
    "phone": ("555-0100-22", "4111 1111 1111 1111", "219-09-9999"),
}
"""What each pattern finds in the originals that the examples begin with."""


class TextScrubParams(Params):
    """What is looked for."""

    find: tuple[Scrubbed, ...] = Field(
        default=ALL,
        min_length=1,
        description="What to look for: email, ip, card, ssn, phone. A phone is any seven digits or more with"
        " punctuation between them, so dates and long numbers go with it.",
        examples=[["email", "phone"]],
    )
    names: ColumnNames | None = Field(
        default=None,
        description="Columns of the row whose words are removed from the text too, as [name], whatever their"
        " case: its person's names, as they stand in the source.",
        examples=[["first_name", "last_name"]],
    )


class TextScrub(Mask[TextScrubParams]):
    """Only what the patterns find is replaced, by what it was."""

    name = "text_scrub"
    summary = "Removes e-mails, phones, card numbers, SSNs and IP addresses from free text."
    params = TextScrubParams
    kinds = TEXT
    proof = "partial"
    promises = Promises(
        format="all other text is kept; text of more than 16 MB becomes [scrubbed]",
    )
    hides = (
        "what its patterns find, and the words of the columns in `names`. All other names, addresses and"
        " words stay."
    )
    learnt = "all that is not replaced, and where what was; there is no key."
    originals = (
        Original("Call 555-0100-22 or ann@corp.test"),
        Original("SSN 219-09-9999, card 4111 1111 1111 1111, from 10.1.2.3"),
    )

    def compile(self, value: Value, params: TextScrubParams, scope: Scope) -> Masked:
        """Scrubbing what is scrubbed changes nothing, so anything that would change has leaked."""
        sql = scrubbed(value.text, params.find, scope.encoding)
        cast = value.shape.cast
        leak = f'{value.text} IS DISTINCT FROM (({sql})::{cast}::text COLLATE "C")'
        if params.names:
            # In the twin the row has other names, which may stand in a text by chance.
            sql = without_names(f"({sql})", params.names, scope)
        return Masked(sql, "partial", leak_sql=leak)

    def follows_value(self, params: TextScrubParams) -> bool:
        """Not where the row's names decide too."""
        return not params.names

    def problems(self, shape: Shape, params: TextScrubParams, scope: Scope) -> list[str]:
        """Names of columns that the table does not have."""
        known = {column.name for column in scope.table.columns}
        return [
            f"names: the table has no column `{name}`" for name in params.names or () if name not in known
        ]

    def example_params(self) -> dict[str, object]:
        """Of a text alone: a row has names."""
        return {name: value for name, value in super().example_params().items() if name != "names"}

    def example(self, original: Original, params: TextScrubParams) -> str:
        """What is looked for in the examples, kind by kind."""
        text = original.text
        for kind in ALL:
            for found in _IN_EXAMPLES[kind] if kind in params.find else ():
                text = text.replace(found, f"[{kind}]")
        return text


def scrubbed(text: str, find: tuple[Scrubbed, ...], encoding: str = "UTF8") -> str:
    """The SQL of the scrubbed text; NULL for NULL. One cheap look decides whether to look closer."""
    before = _searched(text, text, [each for each in patterns(encoding) if each.kind not in _OF_DIGITS], find)
    after = _searched(text, before, [each for each in patterns(encoding) if each.kind in _OF_DIGITS], find)
    if after != before:
        # What is found so far stands here twice, however many patterns there are.
        look = _over(text, many_digits(encoding))
        after = f"CASE WHEN {look} THEN {after} ELSE {before} END"
    return (
        f"CASE WHEN octet_length({text}) > {LONGEST_SEARCHED} THEN '{TOO_LONG}'"
        f" WHEN {text} ~ '{hint(encoding, find)}' THEN {after} ELSE {text} END"
    )


def _searched(text: str, result: str, looked_for: Sequence[Pattern], find: tuple[Scrubbed, ...]) -> str:
    """The patterns applied to ``result``, one inside the other.

    What is put in for a match never makes another one, so a guard may look at the text as it was, and what
    is found so far need not be repeated in it.
    """
    for pattern in looked_for:
        if pattern.kind in find:
            searched = f"'{_quoted(pattern.regex)}'"
            if pattern.short:
                short = f"'{_quoted(pattern.short)}'"
                searched = f"CASE WHEN {_over(text, pattern.unless)} THEN {searched} ELSE {short} END"
            if pattern.guard:
                searched = f"CASE WHEN {_over(text, pattern.guard)} THEN {searched} ELSE '{_NEVER}' END"
            result = f"regexp_replace({result}, {searched}, '[{pattern.kind}]', 'g')"
    return result


def _over(text: str, condition: str) -> str:
    return condition.replace("{text}", text)


def _quoted(regex: str) -> str:
    return regex.replace("'", "''")
