"""``first_name``, ``middle_name``, ``last_name`` and ``full_name``: people who do not exist."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.identity.local_names import (
    FEMALE,
    MALE,
    Locale,
    LocalNames,
    Parts,
    gender_condition,
    plain_name,
)
from appliance.masking.catalogue.picked import PickedMask, Words, two_words
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.mask import Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, never_itself, unless_empty
from appliance.masking.shape import Shape, Value

_FORMAT = "believable names of many languages, with their accents, or of one `locale`"


class NameParams(SubjectParams):
    """Whose names, and of which sex."""

    locale: Locale | None = Field(
        default=None,
        description="The language and country whose names they become; by default those of many.",
        examples=["de_DE"],
    )
    gender: Literal["female", "male"] | None = Field(
        default=None, description="Names of one sex only. Needs `locale`.", examples=["female"]
    )
    gender_column: str | None = Field(
        default=None,
        description="A column of the row that says the sex; where it says neither "
        f"{', '.join(FEMALE)} nor {', '.join(MALE)} (in capital letters too), both may come. Needs `locale`.",
        examples=["sex"],
    )

    @model_validator(mode="after")
    def _of_a_locale(self) -> NameParams:
        if self.locale is None and (self.gender or self.gender_column):
            raise wrong("gender is given without a locale", "a locale, such as en_US, whose names have one")
        if self.gender and self.gender_column:
            raise wrong("gender and gender_column are both given", "one of them")
        return self


class NameMask(PickedMask):
    """As the lists of many languages, or where a locale is named, from its own."""

    params = NameParams
    parts: Parts = "first"
    of_person = True

    def example_params(self) -> dict[str, object]:
        """One of the two that say the sex."""
        return {name: value for name, value in super().example_params().items() if name != "gender"}

    def compile(self, value: Value, params: SubjectParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        if not isinstance(params, NameParams) or params.locale is None:
            return super().compile(value, params, scope)
        names = LocalNames(params.locale, self.parts, value.shape.length, scope.encoding)
        gender = gender_condition(params.gender, params.gender_column, scope)
        drawn = self.drawn_from(params, text_message(value.key_text), scope)

        def picked(digest: Digest) -> str:
            first, second = (names.pick(digest, step, gender, scope) for step in (0, 1))
            return first if drawn.of_subject else never_itself(first, value, second)

        return Masked(
            unless_empty(value, scope.drawn(value, params.key_of(self.name), drawn.message, picked)),
            "outside_domain",
            chance=1 / names.fewest if drawn.of_subject else 0.0,
            output_domain_sql=names.domain_sql(params.gender),
            repeats=drawn.by_value and params.gender_column is None,
        )

    def follows_value(self, params: SubjectParams) -> bool:
        """Not where a column of the row decides too."""
        return super().follows_value(params) and getattr(params, "gender_column", None) is None

    def example(self, original: Original, params: SubjectParams) -> str:
        """A pick for a column without a limit; a row that says nothing of the sex."""
        if not isinstance(params, NameParams) or params.locale is None:
            return super().example(original, params)
        key, subject = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, subject) if subject else draw.of_text(key, original.text)
        names = LocalNames(params.locale, self.parts, None, "UTF8")
        first = plain_name(names, digest, 0, params.gender)
        return first if first != original.text else plain_name(names, digest, 1, params.gender)

    def problems(self, shape: Shape, params: SubjectParams, scope: Scope) -> list[str]:
        """A column that is not there, or is too short, or an encoding that does not have the letters."""
        if not isinstance(params, NameParams) or params.locale is None:
            return super().problems(shape, params, scope)
        found = subject_problems(params, scope)
        known = {column.name for column in scope.table.columns}
        if params.gender_column is not None and params.gender_column not in known:
            found.append(f"gender_column: the table has no column `{params.gender_column}`")
        if not LocalNames(params.locale, self.parts, shape.length, scope.encoding).enough:
            limit = f"the column has {shape.length} characters, or " if shape.length is not None else ""
            found.append(
                f"locale: {limit}the database's encoding {scope.encoding} has too few of the names of"
                f" {params.locale}; use UTF8, a longer column, or another locale"
            )
        return found


class FirstName(NameMask):
    name = "first_name"
    summary = "Replaces a first name with another one."
    lists = ("first_name",)
    promises = Promises(length="at most 10 characters (20 with `locale`)", format=_FORMAT)
    originals = (Original("Ann"),)


class MiddleName(NameMask):
    """From the list of first names, with a key of its own."""

    name = "middle_name"
    summary = "Replaces a middle name with another one."
    lists = ("first_name",)
    promises = Promises(length="at most 10 characters (20 with `locale`)", format=_FORMAT)
    originals = (Original("Marie"),)


class LastName(NameMask):
    name = "last_name"
    summary = "Replaces a family name with another one."
    lists = ("last_name",)
    parts: Parts = "last"
    promises = Promises(length="at most 13 characters (20 with `locale`)", format=_FORMAT)
    originals = (Original("Lee"),)


class FullName(NameMask):
    """A first name and a family name."""

    name = "full_name"
    summary = "Replaces a person's whole name with another one."
    lists = ("first_name", "last_name")
    parts: Parts = "full"
    promises = Promises(
        length="at most 23 characters (41 with `locale`)",
        format="a first name and a family name, or with `locale` in the order that is usual there",
    )
    originals = (Original("Ann Lee"),)

    def words(self, length: int | None, encoding: str) -> Words:
        """Both halves are shortened alike where the column is short."""
        return two_words(self.lists, length, encoding)
