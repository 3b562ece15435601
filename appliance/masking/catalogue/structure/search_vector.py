"""``search_vector``: a tsvector made anew from the masked columns of its row, or emptied."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from appliance.masking.catalogue.texts.template import column_problems, written
from appliance.masking.mask import ColumnNames, Mask, Masked, Original, Params, Promises
from appliance.masking.scope import Scope
from appliance.masking.shape import Kind, Shape, Value

Configuration = Literal[
    "simple", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian",
    "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese", "romanian",
    "russian", "spanish", "swedish", "tamil", "turkish",
]  # fmt: skip
"""What PostgreSQL 13 has of its own."""
_LONGEST = 25_000
"""Characters of a column. A tsvector may have 1 MB, and a word of one letter takes six bytes."""


class SearchVectorParams(Params):
    """What it is made from."""

    columns: ColumnNames | None = Field(
        default=None,
        description="The columns whose words it has, as they are in the twin; without them it is emptied.",
        examples=[["title", "body"]],
    )
    configuration: Configuration = Field(
        default="simple", description="PostgreSQL's text search configuration.", examples=["english"]
    )


class SearchVector(Mask[SearchVectorParams]):
    """What a trigger or an application keeps; a generated column the twin computes anyway."""

    name = "search_vector"
    summary = "Empties a tsvector, or makes it anew from the masked columns of its row."
    params = SearchVectorParams
    kinds: ClassVar[frozenset[Kind]] = frozenset({"tsvector"})
    proof = "by_chance"
    promises = Promises(
        deterministic="as the masks of the columns that it is made from",
        format="the words of the columns in their order, without weights; of a column 25,000 characters",
    )
    hides = "all words; those that it gets are in the row of the twin anyway."
    learnt = "nothing but which rows have a value: the rest stands in the other columns."
    originals = (Original("'ann':1 'lee':2", "tsvector"),)

    def example_params(self) -> dict[str, object]:
        """Of a column alone."""
        return {"configuration": "english"}

    def compile(self, value: Value, params: SearchVectorParams, scope: Scope) -> Masked:
        """Needs ``scope.row`` where columns are named."""
        if not params.columns:
            empty = f"CASE WHEN {value.sql} IS NOT NULL THEN ''::tsvector END"
            return Masked(empty, "constant", output_domain_sql="SELECT ''")
        share = _LONGEST * 4 // (4 * len(params.columns))
        words = ", ".join(written(name, scope, share) for name in params.columns)
        sql = f"to_tsvector('pg_catalog.{params.configuration}'::regconfig, concat_ws(' ', {words}))"
        return Masked(
            f"CASE WHEN length({value.sql}) > 0 THEN {sql} ELSE {value.sql} END",
            "by_chance",
            chance=1.0,
        )

    def reads(self, params: SearchVectorParams) -> tuple[str, ...]:
        return params.columns or ()

    def follows_value(self, params: SearchVectorParams) -> bool:
        """It follows from other columns."""
        return not params.columns

    def example(self, original: Original, params: SearchVectorParams) -> str:
        """Emptied."""
        return ""

    def problems(self, shape: Shape, params: SearchVectorParams, scope: Scope) -> list[str]:
        """Columns that are not there, or have no short text form."""
        return column_problems("columns", params.columns or (), scope)
