"""What came of looking at kept columns: numbers and names only, never a value. ``verify.json`` holds them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

ENOUGH_DIFFERENT = 10
ENOUGH_SHARE = 0.05
"""Words that name no person by themselves (a city, a last name) count from so many different ones on, and
from this share of a column's texts."""


class Frozen(BaseModel):
    """Frozen, and strict about keys, like everything that is written to a run's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OriginalsMet(Frozen):
    """Originals of one masked column that stand in one kept column, as the source counts them."""

    masked: str
    """schema.table.column."""
    telling: int = 0
    """Places where one stands that is hardly there by chance: an address, a number, several words."""
    telling_different: int = 0
    words: int = 0
    """Places where a single word of them stands, or one that comes often."""
    words_different: int = 0
    texts: int = 0
    """Of the kept column, that were compared."""

    @property
    def found(self) -> int:
        """Places that are no accident; 0 where all of them may be."""
        many = self.words_different >= ENOUGH_DIFFERENT and self.words >= ENOUGH_SHARE * self.texts
        return self.telling + (self.words if many else 0)


class KeptOnSource(Frozen):
    """What the source says of one kept column: how many texts it compared, what it met, or why it did not."""

    table: str
    column: str
    texts: int = 0
    met: tuple[OriginalsMet, ...] = ()
    not_compared: str | None = None


def counted_together(counts: Iterable[KeptOnSource]) -> tuple[KeptOnSource, ...]:
    """Each column once: with different originals its texts were compared in different statements."""
    found: dict[tuple[str, str], KeptOnSource] = {}
    for each in counts:
        known = found.setdefault((each.table, each.column), each)
        if known is not each:
            found[each.table, each.column] = KeptOnSource(
                table=each.table,
                column=each.column,
                texts=max(known.texts, each.texts),
                met=(*known.met, *each.met),
                not_compared=known.not_compared or each.not_compared,
            )
    return tuple(found.values())


class OriginalsCounted(Frozen):
    """``originals.json``: what the source has counted."""

    columns: tuple[KeptOnSource, ...] = ()


class KeptColumnLook(Frozen):
    """One kept column: what was looked at, what of it looks personal, which originals it holds."""

    column: str
    because: bool = False
    """A person has judged it: what is found is said, and stops nothing."""
    values: int = 0
    """Looked at in the twin: texts, elements, leaves of documents."""
    kind: str | None = None
    """Of what looks personal."""
    looks_personal: int = 0
    compared: int = 0
    """Texts that the source compared with originals of masked columns."""
    originals: tuple[OriginalsMet, ...] = ()
    not_looked_at: str | None = None
    not_compared: str | None = None

    @property
    def found(self) -> bool:
        """Whether anything was found in it."""
        return bool(self.looks_personal) or any(each.found for each in self.originals)


class KeptTableLook(Frozen):
    """The kept columns of one table, its partitions together."""

    table: str
    rows: int
    """Of the twin, that were looked at."""
    columns: tuple[KeptColumnLook, ...]


class SaidTable(Frozen):
    """What a success says of one table: names of columns, and how many rows were looked at."""

    table: str
    rows: int
    proven: tuple[str, ...] = ()
    """Masked columns that were held against the source."""
    rows_searched: int = 0
    kept: tuple[str, ...] = ()
    """Kept columns that were looked at."""
    rows_looked_at: int = 0
    found: tuple[str, ...] = ()
    """Of them, those in which something was found: they were kept all the same."""
    not_looked_at: tuple[tuple[str, str], ...] = ()
    """Kept columns, each with the reason."""
