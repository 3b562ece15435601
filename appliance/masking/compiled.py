"""What the compiler hands to planning: SQL text without a key in it, and what must be bound for it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from appliance.workflow.matching.decisions import FromPreset


class CompiledModel(BaseModel):
    """Frozen plain data that is written into the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Binding(CompiledModel):
    """One setting that must have its value before the SQL runs.

    ``part`` says how the value comes from the key of ``domain`` (a mask's key is named ``mask/domain``): the
    key itself or the two HMAC pads in hex, or (``dictionary``) a word list as a PostgreSQL array literal,
    which is no secret.
    """

    setting: str
    part: Literal["key", "inner_pad", "outer_pad", "dictionary"]
    domain: str


Proof = Literal["disjoint", "outside_domain", "by_chance", "constant", "partial", "none"]
"""How ``verify`` can prove that a column was masked.

Whatever it is, the twin's value is what the mask gives for the row, over the sample. Besides, ``disjoint``:
nothing that the mask gives is an original, of whatever row; the source counts. ``outside_domain``: every
value of the twin is one of the mask's own output domain. ``by_chance``: source and twin share values anyway
(dates, numbers, phones), so the source counts the values that the mask leaves as they were: each with a
probability of at most ``chance``. ``constant``: every twin value is the mask's constant (or NULL).
``partial``: text that is only scrubbed in places; proven by searching the twin for what the mask removes.
``none``: kept, nothing to prove.
"""

PROOFS: dict[Proof, str] = {
    "disjoint": "No output may be an original, by the source's own count; each value has the mask's shape.",
    "outside_domain": "Every value of the twin is one that the mask can give, and none is left as it was.",
    "by_chance": "None of the source's values is left as it was (but for the mask's odds).",
    "constant": "Every value of the twin is the constant.",
    "partial": "Masking the twin again would change nothing.",
    "none": "Nothing to prove.",
}
"""The same in a sentence, for people."""


class Facet(CompiledModel):
    """One thing to prove about a column: the column as a whole, or one path inside a document."""

    label: str = ""
    """The path inside the column; empty for the column as a whole."""
    value_sql: str
    """A text expression over the column, on source and twin; NULL where there is nothing to prove."""
    proof: Proof
    chance: float = 0.0
    output_domain_sql: str | None = None
    leak_sql: str | None = None
    shape_sql: str | None = None
    """A boolean expression over the column, never an error: false where the mask cannot have made the value.
    None where the type, the domain or ``leak_sql`` says all there is to say."""
    preserves_distinct: bool = False
    mask: str | None = None
    """The mask's name, where it is not the column's own."""
    where_sql: str | None = None
    """A boolean expression over the source's table: of which rows it is to be proven; None for all."""
    reads: tuple[str, ...] = ()
    """The columns that ``where_sql`` names."""
    in_twin: bool = True
    """The twin can be asked ``where_sql`` too: what it reads is kept, and any server decides it alike."""


class Branch(CompiledModel):
    """One of several masks of a column, and the rows that it is for."""

    when: str | None
    """The condition as its author wrote it; None for all other rows."""
    mask: str | None
    """None where the rows are kept."""
    options: dict[str, JsonValue] = {}


class PartlyKept(CompiledModel):
    """Of a masked column: which rows have it as it is."""

    where_sql: str
    reads: tuple[str, ...]
    in_twin: bool
    """As in a facet."""
    because: bool
    """A person has said why they are kept."""


class Lifted(CompiledModel):
    """A column's expression in two parts, for a query of two levels.

    What ``sql`` computes in a subquery of its own costs a fifth of a microsecond more than what the level
    below hands up.
    """

    beneath: dict[str, str]
    """Quoted names, and expressions over the table."""
    sql: str
    """An expression over the column and those names, of the type of the column's own ``sql``."""


class SubjectLookup(CompiledModel):
    """The key of a row's subject, by a unique column of the subject's table: a query of the source.

    Written as a scalar it stands for itself wherever an expression may. Where many rows are read the same
    text is replaced by a column of a join, which the server makes once for all masks of the row.
    """

    name: str
    """Of the column that is found, quoted; no column of the row's table is called so."""
    relation: str
    """What stands in FROM: a row for each subject, in columns that no table has."""
    condition: str
    """Which of them is the row's: at most one, for what it compares is unique there."""
    table: tuple[str, str]
    by: str
    rows: int = 0
    """Of the subject's table, as estimated, and its size on disk."""
    bytes: int = 0

    @property
    def scalar(self) -> str:
        """The key as an expression over the row's table; NULL where there is no such subject."""
        return f"(SELECT {self.name} FROM {self.relation} WHERE {self.condition} LIMIT 1)"

    @property
    def join(self) -> str:
        """The same beside the row's table."""
        return f" LEFT JOIN {self.relation} ON {self.condition}"


class CompiledColumn(CompiledModel):
    """One column of a SELECT list."""

    name: str
    type: str
    """The column's own type with modifier; ``sql`` has exactly this type, or for a domain the type below it
    (whose binary form is the same), so that the domain's CHECK runs where the twin is loaded."""
    sql: str
    """An expression over the source table's columns (quoted, unqualified) and built-in functions.

    Written for a session with an empty ``search_path``.
    """
    mask: str | None = None
    """The mask's name; None for a kept column."""
    options: dict[str, JsonValue] = {}
    """The mask's parameters, as the workflow has them."""
    rule: str | None = None
    """The workflow's pattern that decided; None where ``unlisted`` did."""
    preset: FromPreset | None = None
    """The preset whose rule it is; None for one of the workflow's own."""
    follows: str | None = None
    """The column whose mask and rule these are, where it refers to that."""
    bindings: tuple[Binding, ...] = ()
    proof: Proof = "none"
    chance: float = 0.0
    """For ``by_chance``: at most this share of distinct values stays as it was."""
    output_domain_sql: str | None = None
    """For ``outside_domain`` and ``constant``: a query of one text column that yields the domain's members,
    with no binding. None for ``constant`` means that everything must be NULL."""
    leak_sql: str | None = None
    """For ``partial``: a boolean expression over the twin's column, true where something was left."""
    shape_sql: str | None = None
    """As in a facet."""
    preserves_distinct: bool = False
    """The mask promises distinct outputs for distinct inputs."""
    normal_form_sql: str | None = None
    """A text expression over the column that ``verify`` compares, NULL where the mask leaves a value as it is
    by design (zero, infinity); None means the column's text form. Empty text is never compared."""
    repeats: bool = False
    """``sql`` follows from the value alone, and values may come again: worth remembering while copying."""
    lifted: Lifted | None = None
    """The same in two parts, where that is faster."""
    branches: tuple[Branch, ...] = ()
    """Of a column that is masked by conditions: its masks, the last being for all other rows."""
    partly: PartlyKept | None = None
    """Of such a column: which of its rows are kept."""
    facets: tuple[Facet, ...] = ()
    """What is proven piece by piece instead of the column as a whole: the paths of a document."""
    subjects: tuple[str, ...] = ()
    """Whose keys it is drawn from instead of its values, as ``customer by customer_id``."""
    lookups: tuple[SubjectLookup, ...] = ()
    """What ``sql`` looks up for that; it holds the scalar of each."""

    @property
    def said(self) -> str:
        """What happens to the column, for people of the appliance: conditions are in it."""
        whose = f", of {' and '.join(self.subjects)}" if self.subjects else ""
        if not self.branches:
            return f"{self.mask or 'keep'}{f', follows {self.follows}' if self.follows else ''}{whose}"
        each_entry = ", ".join(
            f"else {each.mask or 'keep'}" if each.when is None else f"{each.mask or 'keep'} where {each.when}"
            for each in self.branches
        )
        return f"{each_entry}{whose}"

    @property
    def decided_by(self) -> str:
        """Which line of which document decided, for people."""
        if self.rule is None:
            return "unlisted"
        return f"{self.preset.said}: {self.rule}" if self.preset else self.rule

    def proved(self) -> tuple[Facet, ...]:
        """Everything to prove about the column; empty for a kept one."""
        if self.mask is None or self.proof == "none":
            return ()
        if self.facets:
            return self.facets
        quoted = '"' + self.name.replace('"', '""') + '"'
        return (
            Facet(
                value_sql=self.normal_form_sql or f"{quoted}::text",
                proof=self.proof,
                chance=self.chance,
                output_domain_sql=self.output_domain_sql,
                leak_sql=self.leak_sql,
                shape_sql=self.shape_sql,
                preserves_distinct=self.preserves_distinct,
            ),
        )
