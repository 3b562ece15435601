"""The audit log: a page of it, and all of it as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from appliance.dashboard.pages.days import DAY_S, day_of
from appliance.dashboard.pages.rendering import View, page
from appliance.dashboard.store.access import audit
from appliance.dashboard.store.access.rows import AuditRow
from appliance.dashboard.store.database import Session
from appliance.dashboard.web.access import Visit, visit

router = APIRouter()
Visitor = Annotated[Visit, Depends(visit)]
AUDIT_ROWS = 100
EXPORT_ROWS = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class AuditFilter(BaseModel):
    """Which changes to list; days are whole ones in UTC."""

    q: str = Field(default="", max_length=80)
    since: str = Field(default="", max_length=10)
    until: str = Field(default="", max_length=10)
    before: int | None = Field(default=None, ge=0, le=2**53)

    def entries(self, session: Session, limit: int) -> list[AuditRow]:
        """The changes, newest first."""
        until = day_of(self.until)
        return audit.entries(
            session,
            before=self.before,
            subject=self.q,
            since=day_of(self.since) or 0.0,
            until=until + DAY_S if until is not None else audit.FAR_AWAY,
            limit=limit,
        )

    @property
    def query(self) -> str:
        """As an address has it, without the place in the list."""
        return urlencode(self.model_dump(exclude={"before"}, exclude_defaults=True))


@dataclass(frozen=True)
class AuditPage(View):
    """A page of the log; ``more`` is the id to go on from."""

    template: ClassVar[str] = "audit.html"
    rows: list[AuditRow]
    more: int | None
    wanted: AuditFilter


@router.get("/audit")
def audit_page(request: Request, visitor: Visitor, wanted: Annotated[AuditFilter, Query()]) -> Response:
    """Every change, newest first."""
    with visitor.context.database.read() as session:
        rows = wanted.entries(session, AUDIT_ROWS + 1)
    more = rows[AUDIT_ROWS - 1].id if len(rows) > AUDIT_ROWS else None
    return page(visitor, request, AuditPage(rows[:AUDIT_ROWS], more, wanted))


@router.get("/audit.csv")
def audit_csv(visitor: Visitor, wanted: Annotated[AuditFilter, Query()]) -> Response:
    """The same as a file: every change that the filters let through, newest first."""
    return StreamingResponse(
        _csv_lines(visitor, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="audit.csv"'},
    )


def _csv_lines(visitor: Visit, wanted: AuditFilter) -> Iterator[str]:
    """Line by line, a transaction a page, so that a long log neither fills memory nor holds the store."""
    yield _csv(("at_utc", "actor", "action", "subject", "detail", "address"))
    before = wanted.before
    while True:
        with visitor.context.database.read() as session:
            rows = wanted.model_copy(update={"before": before}).entries(session, EXPORT_ROWS)
        for row in rows:
            at = datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds")
            detail = json.dumps(row.detail, ensure_ascii=False) if row.detail else ""
            yield _csv((at, row.actor, row.action, row.subject, detail, row.address))
        if len(rows) < EXPORT_ROWS:
            return
        before = rows[-1].id


def _csv(values: tuple[str, ...]) -> str:
    """A line. What a spreadsheet would take for a formula is led by an apostrophe."""
    line = io.StringIO()
    csv.writer(line).writerow(f"'{value}" if value.startswith(FORMULA) else value for value in values)
    return line.getvalue()
