"""``email``: an address that looks real and reaches no mailbox."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value
from appliance.masking.word_lists import ENOUGH_WORDS, word_list

# Reserved for documentation and tests by RFC 2606 and RFC 6761: no mail is ever delivered there.
ReservedDomain = Literal["example.com", "example.net", "example.org", "example.test", "mail.invalid"]
TOKEN_DIGITS = 18
"""72 bits: among ten million addresses two are the same with a probability of 1e-8."""
FEWEST_TOKEN_DIGITS = 16
_MAILBOX_FROM = 12
"""The byte of the digest from which the mailbox is picked; the token shows the first nine."""


class EmailParams(SubjectParams):
    """Where the addresses are, and whether case matters."""

    at: ReservedDomain = Field(
        default="example.com",
        description="The reserved domain of the addresses.",
        examples=["example.org"],
    )
    ignore_case: bool = Field(
        default=False,
        strict=True,
        description="Give Ann@… and ann@… the same address. citext columns always do.",
        examples=[True],
    )


class Email(Mask[EmailParams]):
    """A believable mailbox, a keyed token that makes it unique, a reserved domain."""

    name = "email"
    summary = "Replaces an e-mail address with a unique one on a reserved domain."
    params = EmailParams
    kinds = TEXT
    proof = "disjoint"
    of_person = keeps_subjects_apart = True
    promises = Promises(
        unique="yes",
        length="at most 50 characters; a shorter column gets a shorter address, down to 28",
        format="a valid address in lower case that can never be delivered",
    )
    hides = "mailbox and domain, and how long they are."
    learnt = "which rows have the same address. The n pairs open themselves and nothing else."
    originals = (Original("Ann.Lee@corp.test"),)

    def compile(self, value: Value, params: EmailParams, scope: Scope) -> Masked:
        """As long as the column allows."""
        fold = params.ignore_case and not value.shape.folded
        key = f'(lower({value.text} COLLATE "default") COLLATE "C")' if fold else value.key_text
        ending = f"@{params.at}"
        room = None if value.shape.length is None else value.shape.length - len(ending)
        digits = TOKEN_DIGITS if room is None else min(TOKEN_DIGITS, room)
        names = word_list("mailbox", longest=None if room is None else room - digits - 1)

        def address(digest: Digest) -> str:
            token = digest.hex(digits)
            if len(names) < ENOUGH_WORDS:
                return f"{token} || '{ending}'"
            return f"{scope.word(names, digest.number(_MAILBOX_FROM, 30))} || '.' || {token} || '{ending}'"

        drawn_from = self.drawn_from(params, text_message(key), scope)
        sql = scope.drawn(value, params.key_of(self.name), drawn_from.message, address)
        return Masked(
            unless_empty(value, sql),
            "disjoint",
            shape_sql=_made(value.text, digits, ending),
            preserves_distinct=drawn_from.apart and not fold,
        )

    def example(self, original: Original, params: EmailParams) -> str:
        """An address for a column without a limit."""
        text = original.text.lower() if params.ignore_case else original.text
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, text)
        names = word_list("mailbox").words
        mailbox = names[draw.number(digest, _MAILBOX_FROM, 30) % len(names)]
        return f"{mailbox}.{digest.hex()[:TOKEN_DIGITS]}@{params.at}"

    def problems(self, shape: Shape, params: EmailParams, scope: Scope) -> list[str]:
        """A column too short for a unique address, or a subject that is not there."""
        found = subject_problems(params, scope)
        needed = FEWEST_TOKEN_DIGITS + 1 + len(params.at)
        if shape.length is not None and shape.length < needed:
            found.append(f"the column has {shape.length} characters, and a unique address needs {needed}")
        return found

    def distinct(self, shape: Shape, params: EmailParams) -> bool:
        """Unless case is ignored where the column does not, or a subject decides."""
        return not params.subject_columns and (shape.folded or not params.ignore_case)


def _made(text: str, digits: int, ending: str) -> str:
    """Whether a text is one of the mask's addresses: ``(([a-z]+[.])*[0-9a-f]{digits}ending)?``.

    In pieces, each at its place: as one pattern that counts digits it takes three times as long.
    """
    before = f"left({text}, -{len(ending)})"
    pieces = (
        f"right({text}, {len(ending)}) = {literal(ending)}",
        f"length({text}) >= {digits + len(ending)}",
        f"right({before}, {digits}) !~ '[^0-9a-f]'",
        f"left({before}, -{digits}) !~ '[^a-z.]|^[.]|[.][.]|[^.]$'",
    )
    # A very long text is none, and is not looked through.
    return (
        f"CASE WHEN octet_length({text}) > 80 THEN false WHEN {text} = '' THEN true"
        f" ELSE {' AND '.join(pieces)} END"
    )
