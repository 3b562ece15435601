"""Several small tables in one transaction, with few round trips: most of the work is waiting for answers.

Each table is still held against what the snapshot saw, its rows are counted by both servers, and its line in
the ledger is its own. Where anything is in the way, nothing of it has happened, and they go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from appliance.postgres.copying import ledger
from appliance.postgres.copying.copy_sql import copy_in, copy_out
from appliance.postgres.copying.copy_stream import Copied, pipe_all
from appliance.postgres.plan import CopyItem, Plan, PlannedTable
from appliance.postgres.proof import evidence
from appliance.postgres.proof.parts import Loaded
from appliance.postgres.proof.sample import budget
from appliance.postgres.source.lock_watch import LockWatch
from appliance.postgres.source.table_identity import check_all_same, identities, question_of_all, take_all

_SMALL_BYTES = 256 << 10
_FEW_MASKS = 50


def is_small(table: PlannedTable, item: CopyItem) -> bool:
    """Whether a piece is a whole table, read as it stands, and so little that waiting is most of the work."""
    whole = item.parts == 1 and not table.apart and not table.reads_others
    plain = not table.read_path and not table.unplanned
    return whole and plain and table.bytes <= _SMALL_BYTES and len(table.masked_columns) <= _FEW_MASKS


@dataclass(frozen=True)
class Together:
    """Copies pieces between two sessions, step by step. What fails leaves the transactions to be undone."""

    source: Connection[TupleRow]
    into: Connection[TupleRow]
    plan: Plan
    relations: Mapping[int, Loaded]
    look: Callable[[], None]
    """Raises where the source's session was ended on purpose."""

    def begin(self, items: Sequence[CopyItem]) -> bool:
        """Claim all of them in a new transaction on the target; False where one has arrived already."""
        return ledger.begin_all(self.into, [(item.key, self.plan.table_name(item)) for item in items])

    def take(self, items: Sequence[CopyItem], wait_ms: int, watch: LockWatch) -> None:
        """Hold what reading them needs, and make sure that each is what the plan was made for."""
        tables = self._tables(items)
        then = take_all(self.source, tables, wait_ms)
        asked = question_of_all(tables)
        now = watch.ask(lambda watching: watching.execute(asked).fetchall())
        check_all_same(tables, then, identities(now))

    def load(self, items: Sequence[CopyItem]) -> list[Copied]:
        """Pass the rows on."""
        copies = [
            (copy_out(table, item), copy_in(table))
            for item, table in zip(items, self._tables(items), strict=True)
        ]
        return pipe_all(
            self.source.pgconn, self.into.pgconn, copies, lambda *_: self.look(), on_nap=self.look
        )

    def prove_and_commit(self, items: Sequence[CopyItem], moved: Sequence[Copied]) -> None:
        """Bring the evidence, and commit all of it with what arrived."""
        pieces = [
            (item, each.rows, self.relations[item.table]) for item, each in zip(items, moved, strict=True)
        ]
        whole = [piece for piece in pieces if piece[1] <= budget(piece[0], piece[1])]
        evidence.gather_all(self.source, self.into, self.plan, whole)
        for item, rows, loaded in pieces:
            if rows > budget(item, rows):
                # It has grown since it was planned.
                evidence.gather(self.source, self.into, self.plan, item, rows, loaded)
        ledger.commit_all(
            self.into, [(item.key, each.rows, each.bytes) for item, each in zip(items, moved, strict=True)]
        )

    def _tables(self, items: Sequence[CopyItem]) -> list[PlannedTable]:
        return [self.plan.tables[item.table] for item in items]
