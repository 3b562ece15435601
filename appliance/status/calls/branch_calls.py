"""The calls of the status service for branches of twins, and for rehearsals in them."""

from __future__ import annotations

from uuid import UUID

import psycopg
from fastapi import APIRouter, HTTPException, Request, Response

from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.calls.answers import NO_DATABASE, Described, json_answer
from appliance.status.calls.branch_requests import (
    WantedBranch,
    WantedRehearsal,
    WorkAccepted,
    ask_for_work,
    cancel_work,
    look_at_work,
)
from appliance.status.calls.owner_calls import AWAY, CHANGES, for_the_owner
from appliance.status.calls.owner_requests import Asked
from appliance.store.asked_work import AskedWork, recent_rehearsals
from appliance.store.database import connect

NO_WORK: Described = {404: {"description": "Nothing was asked for under that id."}}


def branch_calls(settings: Settings) -> APIRouter:
    """The calls, for an application."""
    router = APIRouter()

    @router.post("/branches", responses=CHANGES, status_code=202)
    def ask_branch(request: Request, wanted: WantedBranch) -> WorkAccepted:
        """Make, renew, extend, drop or list branches of a twin."""
        return for_the_owner(request, lambda: ask_for_work(settings, "branch", wanted))

    @router.post("/rehearsals", responses=CHANGES, status_code=202)
    def ask_rehearsal(request: Request, wanted: WantedRehearsal) -> WorkAccepted:
        """Rehearse a migration in a branch of a twin."""
        return for_the_owner(request, lambda: ask_for_work(settings, "rehearse", wanted))

    @router.post("/work/{work_id}/cancel", responses=CHANGES, status_code=202)
    def cancel(request: Request, work_id: UUID) -> Asked:
        """End a rehearsal: within seconds its branch is gone, and its report says that it was cancelled."""
        return for_the_owner(request, lambda: cancel_work(settings, work_id))

    @router.get("/work/{work_id}", response_model=AskedWork, responses=NO_DATABASE | NO_WORK)
    def work(work_id: UUID) -> Response:
        """How far that is, and what came of it: which branches there are, or the report."""
        try:
            return json_answer(AskedWork, look_at_work(settings, work_id))
        except WrongRequestError as error:
            raise HTTPException(404, error.text()) from None
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None

    @router.get("/rehearsals", response_model=list[AskedWork], responses=NO_DATABASE)
    def rehearsals() -> Response:
        """The newest rehearsals, without their reports."""
        try:
            with connect(settings.database_url, read_only=True) as db:
                return json_answer(list[AskedWork], recent_rehearsals(db))
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None

    return router
