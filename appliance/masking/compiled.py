"""What the compiler hands to planning: SQL text without a key in it, and what must be bound before it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class CompiledModel(BaseModel):
    """Frozen plain data that is written into the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Binding(CompiledModel):
    """One value that ``set_config(setting, value, true)`` must bind before the SQL runs.

    ``part`` says how the value comes from the key of ``domain``: the two hex HMAC pads, a decimal seed for
    ``hashtextextended``, or (``dictionary``) the hex of a packed dictionary, which is no secret.
    """

    setting: str
    part: Literal["inner_pad", "outer_pad", "seed", "dictionary"]
    domain: str


Proof = Literal["disjoint", "outside_domain", "by_chance", "constant", "partial", "none"]
"""How ``verify`` can prove that a column was masked.

``disjoint``: no value may be in both source and twin. ``outside_domain``: none but those of the mask's own
output domain. ``by_chance``: the output domain is small (dates, numbers, short phones), so values meet by chance:
the share that meets is bounded. ``constant``: every twin value is the mask's constant (or NULL).
``partial``: text that is only scrubbed in places; proven by searching the twin for what the mask removes.
``none``: kept, nothing to prove.
"""


class CompiledColumn(CompiledModel):
    """One column of a SELECT list."""

    name: str
    type: str
    """The column's own type with modifier; ``sql`` has exactly this type."""
    sql: str
    """An expression over the source table's columns (quoted, unqualified) and built-in functions."""
    mask: str | None = None
    """The mask's name; None for a kept column."""
    bindings: tuple[Binding, ...] = ()
    proof: Proof = "none"
    output_domain_sql: str | None = None
    """For ``outside_domain``: a query of one text column that yields the domain's members, with no binding."""
    leak_sql: str | None = None
    """For ``partial``: a boolean expression over the twin's column, true where something was left unmasked."""
    preserves_distinct: bool = False
    """The mask promises distinct outputs for distinct inputs."""
    normal_form_sql: str | None = None
    """An expression over the column that ``verify`` compares (e.g. lower case); None means the text form as it is."""
