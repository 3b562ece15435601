"""``username``, ``url`` and ``domain``: names on the web that belong to no one."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.catalogue.contact.email import ReservedDomain
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import short_match
from appliance.masking.mask import (
    KeyedParams,
    Mask,
    Masked,
    Original,
    Promises,
    SubjectParams,
    subject_problems,
)
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value
from appliance.masking.word_lists import ENOUGH_WORDS, WordList, word_list

_TOKEN_DIGITS = 16
"""64 bits: among a million values two meet with a probability of 3e-8."""
_SCHEMES = "https?|ftp|wss?"
_LEARNT = "which rows have equal values{more}. The n pairs open themselves and nothing else."


class Username(Mask[SubjectParams]):
    """A mailbox's name and a token."""

    name = "username"
    summary = "Replaces a user's name with a believable unique one."
    params = SubjectParams
    kinds = TEXT
    proof = "disjoint"
    of_person = keeps_subjects_apart = True
    promises = Promises(
        unique="yes",
        length="at most 34 characters; a shorter column gets a shorter name, down to 16",
        format="small letters, points and digits",
    )
    hides = "the whole name; nothing of it is in the output."
    learnt = _LEARNT.format(more="")
    originals = (Original("ann_lee84"),)

    def compile(self, value: Value, params: SubjectParams, scope: Scope) -> Masked:
        """As long as the column allows."""
        names = _names(value.shape.length)

        def made(digest: Digest) -> str:
            token = digest.hex(_TOKEN_DIGITS)
            if len(names) < ENOUGH_WORDS:
                return token
            return f"{scope.word(names, digest.number(12, 30))} || '.' || {token}"

        drawn_from = self.drawn_from(params, text_message(value.key_text), scope)
        sql = scope.drawn(value, params.key_of(self.name), drawn_from.message, made)
        return Masked(
            unless_empty(value, sql),
            "disjoint",
            shape_sql=short_match(value.text, f"(([a-z]+[.])*[0-9a-f]{{{_TOKEN_DIGITS}}} *)?"),
            preserves_distinct=drawn_from.apart,
        )

    def example(self, original: Original, params: SubjectParams) -> str:
        """In a column without a limit."""
        key, columns, names = params.key_of(self.name), params.subject_columns, _names(None)
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        return f"{names.words[draw.number(digest, 12, 30) % len(names)]}.{digest[:8].hex()}"

    def problems(self, shape: Shape, params: SubjectParams, scope: Scope) -> list[str]:
        """A column too short for a unique name, or a subject that is not there."""
        found = subject_problems(params, scope)
        if shape.length is not None and shape.length < _TOKEN_DIGITS:
            found.append(f"the column has {shape.length} characters, and a unique name needs {_TOKEN_DIGITS}")
        return found

    def distinct(self, shape: Shape, params: SubjectParams) -> bool:
        """Unless a subject decides."""
        return not params.subject_columns


def _names(length: int | None) -> WordList:
    return word_list("mailbox", longest=None if length is None else length - _TOKEN_DIGITS - 1)


class WebParams(KeyedParams):
    """Where the names are."""

    at: ReservedDomain = Field(
        default="example.com",
        description="The reserved domain in which the names are.",
        examples=["example.org"],
    )


class Domain(Mask[WebParams]):
    """A token below a reserved domain."""

    name = "domain"
    summary = "Replaces a domain's name with a unique one that leads nowhere."
    params = WebParams
    kinds = TEXT
    proof = "disjoint"
    promises = Promises(
        unique="yes",
        length="at most 29 characters",
        format="a name in small letters below a reserved domain",
    )
    hides = "the whole name; nothing of it is in the output."
    learnt = _LEARNT.format(more="")
    originals = (Original("ann-lee.test"),)

    def compile(self, value: Value, params: WebParams, scope: Scope) -> Masked:
        """From the digest alone."""
        digest = scope.digest(params.key_of(self.name), text_message(value.key_text))
        at = params.at.replace(".", "[.]")
        return Masked(
            unless_empty(value, f"{digest.hex(_TOKEN_DIGITS)} || '.{params.at}'"),
            "disjoint",
            shape_sql=short_match(value.text, f"([0-9a-f]{{{_TOKEN_DIGITS}}}[.]{at} *)?"),
            preserves_distinct=True,
        )

    def example(self, original: Original, params: WebParams) -> str:
        """From the digest alone."""
        return f"{draw.of_text(params.key_of(self.name), original.text)[:8].hex()}.{params.at}"

    def problems(self, shape: Shape, params: WebParams, scope: Scope) -> list[str]:
        """A column too short for a unique name."""
        needed = _TOKEN_DIGITS + 1 + len(params.at)
        if shape.length is not None and shape.length < needed:
            return [f"the column has {shape.length} characters, and a unique name needs {needed}"]
        return []

    def distinct(self, shape: Shape, params: WebParams) -> bool:
        return True


class Url(Mask[WebParams]):
    """The scheme stays; host, path and query become one token."""

    name = "url"
    summary = "Replaces a web address with a unique one that leads nowhere."
    params = WebParams
    kinds = TEXT
    proof = "disjoint"
    promises = Promises(
        unique="yes",
        length="at most 37 characters",
        format="an address of http, https, ftp, ws or wss, as the value's is, or https, on a reserved domain",
    )
    hides = "host, user, path and query; nothing of them is in the output."
    learnt = _LEARNT.format(more=", and the scheme")
    originals = (Original("https://ann:secret@corp.test/people/7?tab=pay"),)

    def compile(self, value: Value, params: WebParams, scope: Scope) -> Masked:
        """The token is the path."""
        digest = scope.digest(params.key_of(self.name), text_message(value.key_text))
        start = f'lower(left({value.text}, 8) COLLATE "C")'
        scheme = f"coalesce(substring({start} FROM '^(({_SCHEMES})://)'), 'https://')"
        at = params.at.replace(".", "[.]")
        return Masked(
            unless_empty(value, f"{scheme} || '{params.at}/' || {digest.hex(_TOKEN_DIGITS)}"),
            "disjoint",
            shape_sql=short_match(value.text, f"(({_SCHEMES})://{at}/[0-9a-f]{{{_TOKEN_DIGITS}}} *)?"),
            preserves_distinct=True,
        )

    def example(self, original: Original, params: WebParams) -> str:
        """An address of https."""
        return f"https://{params.at}/{draw.of_text(params.key_of(self.name), original.text)[:8].hex()}"

    def problems(self, shape: Shape, params: WebParams, scope: Scope) -> list[str]:
        """A column too short for a unique address."""
        needed = len("https:///") + len(params.at) + _TOKEN_DIGITS
        if shape.length is not None and shape.length < needed:
            return [f"the column has {shape.length} characters, and a unique address needs {needed}"]
        return []

    def distinct(self, shape: Shape, params: WebParams) -> bool:
        return True
