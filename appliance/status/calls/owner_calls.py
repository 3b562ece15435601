"""The calls of the status service that change something: for who shows the owner's token, from its page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Annotated, TypeVar

import psycopg
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import FileResponse

from appliance.cloud.enrol_unattended import refuse_other_sites
from appliance.errors import ApplianceError, Explanation, RefusedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.calls.answers import Described
from appliance.status.calls.guard import is_owner, token_file
from appliance.status.calls.owner_requests import (
    Asked,
    WantedRun,
    WantedTest,
    ask_for_diagnostics,
    ask_for_run,
    ask_for_test,
    ask_to_cancel,
)
from appliance.status.facts.diagnostics_file import (
    BY_HAND,
    FILE,
    DiagnosticsShown,
    diagnostics_shown,
    forget_old,
    path_of,
)
from appliance.status.report import Owner
from appliance.store.database import connect

Said = TypeVar("Said")
RunIdOfPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
CHANGES: Described = {
    401: {"description": "The owner's token was not shown."},
    403: {"description": "Another site sent it, or policy refuses it."},
    409: {"description": "It cannot be done; the answer says why."},
    503: {"description": "The database or Airflow does not answer."},
}
AWAY = Explanation(
    "The appliance's database does not answer, so nothing can be said about runs.",
    next_step="appliance status",
)


def owner_calls(settings: Settings) -> APIRouter:
    """The calls, for an application."""
    router = APIRouter()

    @router.get("/owner")
    def owner(request: Request) -> Owner:
        """Whether the caller may change something, and where the token for it lies."""
        return Owner(is_owner=is_owner(request.scope), token_file=str(token_file(settings)))

    @router.post("/runs", responses=CHANGES, status_code=202)
    def ask_run(request: Request, wanted: WantedRun) -> Asked:
        """Ask for a run of a workflow."""
        return for_the_owner(request, lambda: ask_for_run(settings, wanted.workflow))

    @router.post("/runs/{run_id}/cancel", responses=CHANGES, status_code=202)
    def cancel(request: Request, run_id: RunIdOfPath) -> Asked:
        """Ask a run to end."""
        return for_the_owner(request, lambda: ask_to_cancel(settings, run_id))

    @router.post("/connections/test", responses=CHANGES, status_code=202)
    def test(request: Request, wanted: WantedTest) -> Asked:
        """Ask for a test of a connection."""
        return for_the_owner(request, lambda: ask_for_test(settings, wanted.connection))

    @router.post("/diagnostics", responses=CHANGES, status_code=202)
    def diagnose(request: Request) -> Asked:
        """Ask for diagnostics, without secrets, to give to the person who helps. Nothing is sent."""
        return for_the_owner(request, lambda: ask_for_diagnostics(settings))

    @router.get("/diagnostics", responses=CHANGES)
    def diagnostics(request: Request) -> DiagnosticsShown:
        """How far the diagnostics are that were asked for."""
        _only_the_owner(request)
        try:
            with closing(connect(settings.database_url, read_only=True)) as db:
                return diagnostics_shown(settings, db)
        except psycopg.Error:
            raise HTTPException(503, f"{AWAY.line()} {BY_HAND}") from None

    @router.get(f"/{FILE}", responses=CHANGES | {404: {"description": "There are none."}})
    def download(request: Request) -> FileResponse:
        """The diagnostics as a .tar.gz."""
        _only_the_owner(request)
        forget_old(settings)
        path = path_of(settings)
        if not path.is_file():
            raise HTTPException(404, "There are no diagnostics here, or they were deleted after an hour.")
        return FileResponse(path, media_type="application/gzip", filename=f"appliance-{FILE}")

    return router


def for_the_owner(request: Request, action: Callable[[], Said]) -> Said:
    """Do what changes something: only for who showed the token, and only from this page.

    Raises HTTPException for anybody else, and for what cannot be done.
    """
    headers = request.headers
    try:
        refuse_other_sites(headers.get("origin"), headers.get("host"), headers.get("sec-fetch-site"))
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # What another site can make a browser send without asking first.
            raise RefusedError("Only JSON is taken here.", "", "Use the appliance's own page.")
    except RefusedError as error:
        raise HTTPException(403, error.text()) from None
    _only_the_owner(request)
    try:
        return action()
    except RefusedError as error:
        raise HTTPException(403, error.text()) from None
    except WrongRequestError as error:
        raise HTTPException(409, error.text()) from None
    except ApplianceError as error:
        raise HTTPException(503, error.text()) from None
    except psycopg.Error:
        raise HTTPException(503, AWAY.line()) from None


def _only_the_owner(request: Request) -> None:
    if not is_owner(request.scope):
        raise HTTPException(401, "The owner's token is needed, from status.token_file.")
