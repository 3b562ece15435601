"""What came of verifying: numbers and names only, never a value. ``verify.json`` holds them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from appliance.postgres.copying.left_out import LeftOut
from appliance.postgres.proof.kept import KeptTableLook
from appliance.postgres.twin.after_load import AfterLoadRecord


class ColumnProof(BaseModel):
    """What came of one masked column (or of a path inside it). Numbers only, never a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    mask: str
    proof: str
    compared: int
    """Values that were looked at: by the source itself, or (constant, partial) of the twin."""
    met: int = 0
    """Originals that the mask has given (disjoint), or values that it has left as they were."""
    allowed: int = 0
    """As many may meet by chance."""
    outside: int = 0
    """Values that the mask could not have made, or in which something is left that it removes."""
    equal: int | None = None
    """Values of the twin that are what the mask gave for their row; without a key, distinct ones. None where
    that is not compared: a constant, or text without one form on both sides."""
    differ: int = 0
    """Values of the twin that are not, or that the mask gave and the twin does not have."""
    fault: str | None = None
    note: str | None = None


class TableProof(BaseModel):
    """What came of one relation of the twin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows: int
    source_rows: int
    gathered: int
    """Rows of the source whose values the twin was searched for: all of them, or a sample."""
    searched: int
    """Rows of the twin that were searched: all of them, or the gathered ones and a sample."""
    columns: tuple[ColumnProof, ...]
    left_out: LeftOut | None = None
    equal: int = 0
    """Values, of all columns together, that are what their mask gave."""
    missing: int = 0
    """Gathered rows that the twin does not have."""

    @property
    def faults(self) -> list[str]:
        """One sentence for each thing that is not as it must be."""
        found = [
            f"{self.table}.{each.column} ({each.mask}): {each.fault}" for each in self.columns if each.fault
        ]
        if self.missing:
            found.insert(0, f"{self.table}: {self.missing:,} of {self.gathered:,} rows are not in the twin")
        if self.rows != self.source_rows:
            found.insert(0, f"{self.table}: the source has {self.source_rows:,} rows, the twin {self.rows:,}")
        if self.left_out is not None and (wrong := self.left_out.fault(self.source_rows)):
            found.insert(0, f"{self.table}: {wrong}")
        return found


class TwinProof(BaseModel):
    """What came of one twin."""

    database: str
    tables: tuple[TableProof, ...]
    kept: tuple[KeptTableLook, ...] = ()
    """What was seen in the columns that are kept."""
    after_load: AfterLoadRecord | None = None
    """What the workflow's own SQL has changed since, where it has any."""

    @property
    def rows(self) -> dict[str, int]:
        """How many each table has now."""
        later = self.after_load.rows if self.after_load is not None else {}
        return {table.table: table.rows for table in self.tables} | later


class VerifiedTwins(BaseModel):
    """What came of all twins of a run."""

    twins: tuple[TwinProof, ...]
