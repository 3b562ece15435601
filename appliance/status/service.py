"""The local status service: what an operator, a monitor and the command line ask.

It changes nothing by itself: an appliance that is not enrolled can be enrolled from its page, and who shows
the owner's token can ask for a run or for the end of one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import TypeAdapter

import appliance
from appliance.cloud.enrol_unattended import OneTimeToken, enrol_here, refuse_other_sites
from appliance.errors import ApplianceError, Explanation, RefusedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.data_page.routes import add_data_routes, desk_of
from appliance.status.guard import Guard, is_owner, owners_token, required_token, token_file
from appliance.status.metrics import CONTENT_TYPE, metrics
from appliance.status.owner_requests import Asked, WantedRun, ask_for_run, ask_to_cancel
from appliance.status.report import EnrolledAs, Health, Owner, Report
from appliance.status.state import State
from appliance.store.rows import RunDetails, RunLine

RunIdOfPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
Described = dict[int | str, dict[str, Any]]
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/run.html": ("run.html", "text/html"),
    "/run.js": ("run.js", "text/javascript"),
    "/shown.js": ("shown.js", "text/javascript"),
}
NOT_FINE: Described = {503: {"description": "Something does not work; the answer says what."}}
NO_DATABASE: Described = {503: {"description": "The appliance's database does not answer."}}
NO_RUN: Described = {404: {"description": "There is no such run."}}
ENROLS: Described = {
    403: {"description": "Another site sent it."},
    409: {"description": "It cannot be enrolled from here, or not with this token; the answer says why."},
    503: {"description": "The dashboard does not answer."},
}
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


def create_app(settings: Settings, state: State | None = None) -> FastAPI:
    """The service as an ASGI application. Pages and metrics add their routes here, on the same State."""
    app = FastAPI(title="Appliance status", version=appliance.__version__, docs_url=None, redoc_url=None)
    state = state or State(settings)
    app.state.appliance = state

    @app.get("/healthz", response_model=Health, responses=NOT_FINE)
    def healthz() -> Response:
        """200 when every part works; else 503, with the reasons."""
        report = state.report()
        return _json(Health, Health(report.healthy, report.reasons), status=200 if report.healthy else 503)

    @app.get("/status", response_model=Report)
    def status() -> Response:
        """Version, components, workflows, current and recent runs, disk and outbox."""
        return _json(Report, state.report())

    @app.get("/runs", response_model=list[RunLine], responses=NO_DATABASE)
    def runs(
        workflow: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """The newest runs."""
        try:
            return _json(list[RunLine], state.runs(workflow, limit))
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None

    @app.get("/runs/{run_id}", response_model=RunDetails, responses=NO_DATABASE | NO_RUN)
    def run(run_id: str) -> Response:
        """One run: its steps, how far each table is, its notices, and why it failed."""
        try:
            found = state.run(run_id)
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None
        if found is None:
            unknown = Explanation(f"There is no run '{run_id[:200]}'.", next_step="appliance runs")
            raise HTTPException(404, unknown.line())
        return _json(RunDetails, found)

    @app.get("/metrics", response_class=PlainTextResponse)
    def shown_metrics() -> Response:
        """The same for Prometheus."""
        return Response(metrics(state.report(), state.totals()), media_type=CONTENT_TYPE)

    @app.post("/enrol", responses=ENROLS)
    def enrol(request: Request, given: OneTimeToken) -> EnrolledAs:
        """Enrol with the dashboard of the settings, once."""
        try:
            headers = request.headers
            refuse_other_sites(headers.get("origin"), headers.get("host"), headers.get("sec-fetch-site"))
            return EnrolledAs(enrol_here(settings, given.token))
        except RefusedError as error:
            raise HTTPException(403, error.text()) from None
        except WrongRequestError as error:
            raise HTTPException(409, error.text()) from None
        except ApplianceError as error:
            raise HTTPException(503, error.text()) from None

    @app.get("/owner")
    def owner(request: Request) -> Owner:
        """Whether the caller may change something, and where the token for it lies."""
        return Owner(is_owner=is_owner(request.scope), token_file=str(token_file(settings)))

    @app.post("/runs", responses=CHANGES, status_code=202)
    def ask_run(request: Request, wanted: WantedRun) -> Asked:
        """Ask for a run of a workflow."""
        return _for_the_owner(request, lambda: ask_for_run(settings, wanted.workflow))

    @app.post("/runs/{run_id}/cancel", responses=CHANGES, status_code=202)
    def cancel(request: Request, run_id: RunIdOfPath) -> Asked:
        """Ask a run to end."""
        return _for_the_owner(request, lambda: ask_to_cancel(settings, run_id))

    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _file(FilePath(__file__).with_name(name), kind), include_in_schema=False)
    token = required_token(settings)
    add_data_routes(app, desk_of(settings), open_to_all=token is None, page=_file, written=_json)
    app.add_middleware(Guard, status=settings.status, token=token, owner=token or owners_token(settings))
    return app


def _for_the_owner(request: Request, action: Callable[[], Asked]) -> Asked:
    """Do what changes something: only for who showed the token, and only from this page."""
    headers = request.headers
    try:
        refuse_other_sites(headers.get("origin"), headers.get("host"), headers.get("sec-fetch-site"))
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # What another site can make a browser send without asking first.
            raise RefusedError("Only JSON is taken here.", "", "Use the appliance's own page.")
    except RefusedError as error:
        raise HTTPException(403, error.text()) from None
    if not is_owner(request.scope):
        raise HTTPException(401, "The owner's token is needed, from status.token_file.")
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


def _json(kind: Any, value: object, *, status: int = 200) -> Response:
    """Written straight out of the types, without FastAPI's second look at each of thousands of lines."""
    return Response(_writer(kind).dump_json(value), status_code=status, media_type="application/json")


@lru_cache
def _writer(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _file(path: FilePath, kind: str) -> Callable[[], Response]:
    """A part of the page, read once."""
    content = path.read_bytes()

    def serve() -> Response:
        return Response(content, media_type=kind)

    return serve
