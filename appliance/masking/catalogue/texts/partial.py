"""``partial``: the ends stay, the middle goes."""

from __future__ import annotations

from pydantic import Field

from appliance.masking.expressions.sql_text import literal
from appliance.masking.mask import Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import TEXT, Shape, Value


class PartialParams(Params):
    """How much stays at either end, and what stands for the rest."""

    keep_first: int = Field(
        default=0, strict=True, ge=0, le=100, description="Characters kept at the beginning.", examples=[1]
    )
    keep_last: int = Field(
        default=4, strict=True, ge=0, le=100, description="Characters kept at the end.", examples=[4]
    )
    cover: str = Field(
        default="*",
        min_length=1,
        max_length=1,
        pattern=r"^[!-~]$",
        description="The one character that replaces each of the others.",
        examples=["x"],
    )


class Partial(Mask[PartialParams]):
    """Covers all but the ends."""

    name = "partial"
    summary = "Covers a text, except for some characters at either end."
    params = PartialParams
    kinds = TEXT
    proof = "partial"
    promises = Promises(
        length="kept",
        format="the ends are kept; text is covered whole where less would be covered than kept",
    )
    hides = "the characters that are covered, and no others."
    learnt = (
        "all that is kept, and the length; there is no key. Who knows the kind of value can try "
        "what is covered: four digits of twelve are soon tried where another column or a check "
        "digit says which is right."
    )
    originals = (Original("4111111111111111"),)

    def compile(self, value: Value, params: PartialParams, scope: Scope) -> Masked:
        """Covering what is covered changes nothing, so anything that would change has leaked."""
        sql = covered(value.text, params)
        return Masked(sql, "partial", leak_sql=f"{value.text} IS DISTINCT FROM {sql}")

    def example(self, original: Original, params: PartialParams) -> str:
        """As ``covered`` says."""
        text, first, last = original.text, params.keep_first, params.keep_last
        if len(text) < 2 * (first + last) or not first + last:
            return params.cover * len(text)
        return text[:first] + params.cover * (len(text) - first - last) + text[len(text) - last :]

    def problems(self, shape: Shape, params: PartialParams, scope: Scope) -> list[str]:
        """A column in which nothing would ever be kept."""
        kept = params.keep_first + params.keep_last
        if shape.length is not None and kept and shape.length < 2 * kept:
            return [
                f"the column has {shape.length} characters, and at least {2 * kept} are needed to keep {kept}"
            ]
        return []


def covered(text: str, params: PartialParams) -> str:
    """The SQL of the covered text; as many characters as before, NULL for NULL."""
    first, last, cover = params.keep_first, params.keep_last, literal(params.cover)
    if first + last == 0:
        return f"repeat({cover}, length({text}))"
    middle = f"repeat({cover}, length({text}) - {first + last})"
    ends = f"left({text}, {first}) || {middle} || right({text}, {last})"
    enough = f"length({text}) >= {2 * (first + last)}"
    return f"CASE WHEN {enough} THEN {ends} ELSE repeat({cover}, length({text})) END"
