"""Names of one language and country: which lists there are, and how a name is put together."""

from __future__ import annotations

from typing import Literal

from appliance.masking.examples import draw
from appliance.masking.expressions.drawing import Digest
from appliance.masking.expressions.sql_text import literal
from appliance.masking.scope import Scope
from appliance.masking.shape import column_value
from appliance.masking.word_lists import ENOUGH_WORDS, WordList, there_is, word_list

Locale = Literal[
    "ar_AA", "bg_BG", "cs_CZ", "da_DK", "de_DE", "el_GR", "en_GB", "en_US", "es_ES", "es_MX", "et_EE",
    "fi_FI", "fr_FR", "he_IL", "hi_IN", "hr_HR", "hu_HU", "it_IT", "ja_JP", "ko_KR", "nl_NL", "no_NO",
    "pt_BR", "pt_PT", "ro_RO", "ru_RU", "sk_SK", "sl_SI", "sv_SE", "tr_TR", "uk_UA", "zh_CN", "zh_TW",
]  # fmt: skip
Parts = Literal["first", "last", "full"]
Sex = Literal["female", "male"]
SEXES: tuple[Sex, Sex] = ("female", "male")
FEMALE = ("f", "female", "w", "woman", "weiblich", "femme", "mujer")
MALE = ("m", "male", "man", "mann", "homme", "hombre")
_FAMILY_FIRST = {"hu_HU": " ", "ja_JP": " ", "ko_KR": "", "zh_CN": "", "zh_TW": ""}
"""Where the family's name stands before the first one, and what is between."""
_SEX_BYTE = 12


class LocalNames:
    """The lists for a column."""

    def __init__(self, locale: str, parts: Parts, length: int | None, encoding: str) -> None:
        self.parts = parts
        self._between = _FAMILY_FIRST.get(locale, " ")
        self._family_first = locale in _FAMILY_FIRST
        longest = length
        if parts == "full" and length is not None:
            longest = (length - len(self._between)) // 2
        place = locale.lower()

        def words(kind: str) -> WordList:
            return word_list(f"{kind}_{place}", longest=longest, encoding=encoding)

        self.first = {sex: words(sex) for sex in SEXES}
        apart = there_is(f"last_female_{place}")
        self.last = {sex: words(f"last_{sex}" if apart else "last") for sex in SEXES}

    @property
    def enough(self) -> bool:
        """Whether there is something to pick from."""
        used = [each for lists in self._used() for each in lists.values()]
        return all(len(each) >= ENOUGH_WORDS for each in used)

    def pick(self, digest: Digest, step: int, gender: str | None, scope: Scope) -> str:
        """The SQL of a name; another ``step`` gives another one."""

        def whole(sex: Sex) -> str:
            first = scope.word(self.first[sex], f"{digest.number(0, 30)} + {step}")
            if self.parts == "first":
                return first
            if self.parts == "last":
                return scope.word(self.last[sex], f"{digest.number(0, 30)} + {step}")
            last = scope.word(self.last[sex], digest.number(4, 30))
            ordered = (last, first) if self._family_first else (first, last)
            return f" || '{self._between}' || ".join(ordered)

        woman = digest.bit(_SEX_BYTE) if gender is None else f"coalesce({gender}, {digest.bit(_SEX_BYTE)})"
        if gender in ("true", "false"):
            return whole("female" if gender == "true" else "male")
        return f"CASE WHEN {woman} THEN {whole('female')} ELSE {whole('male')} END"

    def domain_sql(self, gender: Sex | None) -> str:
        """A query of everything that ``pick`` can give."""
        queries = []
        for sex in SEXES if gender is None else (gender,):
            if self.parts != "full":
                words = self.first[sex] if self.parts == "first" else self.last[sex]
                queries.append(f"SELECT w FROM {_unnested(words)} AS a (w)")
                continue
            ordered = ("w", "v") if self._family_first else ("v", "w")
            shown = f" || '{self._between}' || ".join(ordered)
            first, last = _unnested(self.first[sex]), _unnested(self.last[sex])
            queries.append(f"SELECT {shown} FROM {first} AS a (v), {last} AS b (w)")
        return " UNION ".join(queries)

    def plain(self, digest: bytes, step: int, sex: Sex) -> str:
        """``pick`` in Python."""
        drawn = draw.number(digest, 0, 30) + step
        if self.parts != "full":
            words = (self.first if self.parts == "first" else self.last)[sex].words
            return words[drawn % len(words)]
        firsts, lasts = self.first[sex].words, self.last[sex].words
        first, last = firsts[drawn % len(firsts)], lasts[draw.number(digest, 4, 30) % len(lasts)]
        return self._between.join((last, first) if self._family_first else (first, last))

    @property
    def fewest(self) -> int:
        """Names that one pick chooses among, at least."""
        return min(len(each[sex]) for each in self._used() for sex in SEXES)

    def _used(self) -> list[dict[Sex, WordList]]:
        if self.parts == "full":
            return [self.first, self.last]
        return [self.first if self.parts == "first" else self.last]


def gender_condition(gender: Sex | None, column: str | None, scope: Scope) -> str | None:
    """A condition: true for female, false for male, NULL for neither; None where nothing says."""
    if gender is not None:
        return str(gender == "female").lower()
    if column is None:
        return None
    said = column_value(next(each for each in scope.table.columns if each.name == column))
    text = f'lower(left({said.text}, 20) COLLATE "C")'
    women, men = (", ".join(map(literal, each)) for each in (FEMALE, MALE))
    return f"CASE WHEN {text} IN ({women}) THEN true WHEN {text} IN ({men}) THEN false END"


def plain_name(names: LocalNames, digest: bytes, step: int, gender: Sex | None) -> str:
    """A name in Python, of a row that says nothing of the sex."""
    woman = draw.bit(digest, _SEX_BYTE) if gender is None else gender == "female"
    return names.plain(digest, step, "female" if woman else "male")


def _unnested(words: WordList) -> str:
    return f"unnest(ARRAY[{', '.join(map(literal, words.words))}]::text[])"
