"""``title``: how a person is addressed."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from appliance.documents.model import wrong
from appliance.masking.catalogue.identity.local_names import FEMALE, MALE, SEXES, Sex, gender_condition
from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest, text_message
from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Promises, SubjectParams, subject_problems
from appliance.masking.scope import Scope, unless_empty
from appliance.masking.shape import TEXT, Shape, Value

TitleLocale = Literal[
    "bg_BG", "cs_CZ", "da_DK", "de_DE", "en_GB", "en_US", "es_ES", "es_MX", "fi_FI", "fr_FR",
    "hr_HR", "it_IT", "nl_NL", "no_NO", "pt_BR", "pt_PT", "ro_RO", "ru_RU", "sk_SK", "sl_SI", "sv_SE",
    "tr_TR", "uk_UA",
]  # fmt: skip
_BY_LANGUAGE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bg": (("Г-жа",), ("Г-н",)),
    "cs": (("Paní",), ("Pan",)),
    "da": (("Fru", "Frk."), ("Hr.",)),
    "de": (("Frau", "Frau Dr."), ("Herr", "Herr Dr.")),
    "en": (("Ms", "Mrs", "Miss", "Dr"), ("Mr", "Dr")),
    "es": (("Sra.", "Srta.", "Dra."), ("Sr.", "Dr.")),
    "fi": (("Rva", "Nti"), ("Hra",)),
    "fr": (("Mme", "Mlle", "Dr"), ("M.", "Dr")),
    "hr": (("Gđa",), ("G.",)),
    "it": (("Sig.ra", "Dott.ssa"), ("Sig.", "Dott.")),
    "nl": (("Mevr.", "Dr."), ("Dhr.", "Dr.")),
    "no": (("Fru", "Dr."), ("Herr", "Dr.")),
    "pt": (("Sra.", "Dra."), ("Sr.", "Dr.")),
    "ro": (("Dna", "Dra"), ("Dl", "Dr")),
    "ru": (("Г-жа",), ("Г-н",)),
    "sk": (("Pani",), ("Pán",)),
    "sl": (("Ga.",), ("G.",)),
    "sv": (("Fru", "Dr"), ("Herr", "Dr")),
    "tr": (("Bayan", "Dr."), ("Bay", "Dr.")),
    "uk": (("Пані",), ("Пан",)),
}
_SEX_BYTE = 12


class TitleParams(SubjectParams):
    """In which language, and of which sex."""

    locale: TitleLocale = Field(
        default="en_US", description="The language and country whose titles they become.", examples=["de_DE"]
    )
    gender: Literal["female", "male"] | None = Field(
        default=None, description="Titles of one sex only.", examples=["female"]
    )
    gender_column: str | None = Field(
        default=None,
        description="A column of the row that says the sex; where it says neither "
        f"{', '.join(FEMALE)} nor {', '.join(MALE)} (in capital letters too), both may come.",
        examples=["sex"],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> TitleParams:
        if self.gender and self.gender_column:
            raise wrong("gender and gender_column are both given", "one of them")
        return self


class Title(Mask[TitleParams]):
    """One of the few there are: it may be the same by chance."""

    name = "title"
    of_person = True
    summary = "Replaces a person's title, such as Mr or Dr, with one of the same language."
    params = TitleParams
    kinds = TEXT
    proof = "outside_domain"
    promises = Promises(
        length="at most eight characters",
        format="a title of the language, of the sex that a column says; it may be the same by chance",
    )
    hides = "degrees, ranks and all that is not one of a few usual titles."
    learnt = (
        "the sex, where a column says it, and which rows have the same output. The n pairs open themselves"
        " and nothing else."
    )
    originals = (Original("Prof."),)

    def example_params(self) -> dict[str, object]:
        """One of the two that say the sex."""
        return {name: value for name, value in super().example_params().items() if name != "gender"}

    def compile(self, value: Value, params: TitleParams, scope: Scope) -> Masked:
        """By the value's digest, or by that of the row's subject."""
        titles = _titles(params.locale, value.shape.length)
        gender = gender_condition(params.gender, params.gender_column, scope)
        drawn_from = self.drawn_from(params, text_message(value.key_text), scope)

        def of_a_sex(digest: Digest, sex: Sex) -> str:
            words = titles[sex]
            cases = " ".join(f"WHEN {place} THEN {literal(word)}" for place, word in enumerate(words))
            return f"CASE mod({digest.number(0, 30)}, {len(words)}) {cases} END"

        def picked(digest: Digest) -> str:
            if params.gender is not None:
                return of_a_sex(digest, params.gender)
            drawn = digest.bit(_SEX_BYTE)
            woman = drawn if gender is None else f"coalesce({gender}, {drawn})"
            female, male = (of_a_sex(digest, sex) for sex in SEXES)
            return f"CASE WHEN {woman} THEN {female} ELSE {male} END"

        every = dict.fromkeys(literal(word) for sex in _sexes(params) for word in titles[sex])
        return Masked(
            unless_empty(value, scope.drawn(value, params.key_of(self.name), drawn_from.message, picked)),
            "outside_domain",
            chance=1.0,
            output_domain_sql=f"SELECT w FROM unnest(ARRAY[{', '.join(every)}]::text[]) AS a (w)",
            repeats=drawn_from.by_value and params.gender_column is None,
        )

    def follows_value(self, params: TitleParams) -> bool:
        """Not where a column of the row decides too."""
        return super().follows_value(params) and params.gender_column is None

    def example(self, original: Original, params: TitleParams) -> str:
        """Of a row that says nothing of the sex."""
        key, columns = params.key_of(self.name), params.subject_columns
        digest = draw.of_subject(key, columns) if columns else draw.of_text(key, original.text)
        drawn: Sex = "female" if draw.bit(digest, _SEX_BYTE) else "male"
        words = _titles(params.locale, None)[params.gender or drawn]
        return words[draw.number(digest, 0, 30) % len(words)]

    def problems(self, shape: Shape, params: TitleParams, scope: Scope) -> list[str]:
        """A column that is not there or too short, or letters that the database does not have."""
        found = subject_problems(params, scope)
        known = {column.name for column in scope.table.columns}
        if params.gender_column is not None and params.gender_column not in known:
            found.append(f"gender_column: the table has no column `{params.gender_column}`")
        titles = _titles(params.locale, shape.length)
        if not all(titles[sex] for sex in _sexes(params)):
            found.append(f"the column has {shape.length} characters, too few for a title of {params.locale}")
        whole = _titles(params.locale, None)
        words = [word for sex in SEXES for word in whole[sex]]
        if scope.encoding not in ("UTF8", "SQL_ASCII") and not all(word.isascii() for word in words):
            found.append(
                f"locale: the titles of {params.locale} have letters that the database's encoding"
                f" {scope.encoding} may not have; use another locale"
            )
        return found


def _titles(locale: str, length: int | None) -> dict[Sex, tuple[str, ...]]:
    """Those that fit a column."""
    both = _BY_LANGUAGE[locale[:2]]
    return {
        sex: tuple(word for word in words if length is None or len(word) <= length)
        for sex, words in zip(SEXES, both, strict=True)
    }


def _sexes(params: TitleParams) -> tuple[Sex, ...]:
    return SEXES if params.gender is None else (params.gender,)


assert all(each[:2] in _BY_LANGUAGE for each in get_args(TitleLocale))  # noqa: S101
