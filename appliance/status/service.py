"""The local status service: what an operator, a monitor and the command line ask.

It changes nothing by itself: an appliance that is not enrolled can be enrolled from its page, and who shows
the owner's token can ask for a run, for the end of one, and for a test of a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Annotated

import psycopg
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse

import appliance
from appliance.cloud.enrol_unattended import OneTimeToken, enrol_here, refuse_other_sites
from appliance.errors import ApplianceError, Explanation, RefusedError, WrongRequestError
from appliance.settings.settings import Settings
from appliance.status.calls.answers import NO_DATABASE, Described, json_answer
from appliance.status.calls.branch_calls import branch_calls
from appliance.status.calls.guard import Guard, owners_token, required_token
from appliance.status.calls.owner_calls import AWAY, RunIdOfPath, owner_calls
from appliance.status.data_page.routes import add_data_routes, desk_of
from appliance.status.facts.log_ends import LogEnd
from appliance.status.metrics import metrics
from appliance.status.report import EnrolledAs, Health, Report
from appliance.status.state import State
from appliance.store.rows import RunDetails, RunLine
from appliance.system.prometheus import CONTENT_TYPE

PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/facts.js": ("facts.js", "text/javascript"),
    "/run.html": ("run.html", "text/html"),
    "/run.js": ("run.js", "text/javascript"),
    "/rehearsal.html": ("rehearsal.html", "text/html"),
    "/rehearsal.js": ("rehearsal.js", "text/javascript"),
    "/shown.js": ("shown.js", "text/javascript"),
}
NOT_FINE: Described = {503: {"description": "Something does not work; the answer says what."}}
NO_RUN: Described = {404: {"description": "There is no such run."}}
ENROLS: Described = {
    403: {"description": "Another site sent it."},
    409: {"description": "It cannot be enrolled from here, or not with this token; the answer says why."},
    503: {"description": "The dashboard does not answer."},
}


def create_app(settings: Settings, state: State | None = None) -> FastAPI:
    """The service as an ASGI application. Pages and metrics add their routes here, on the same State."""
    app = FastAPI(title="Appliance status", version=appliance.__version__, docs_url=None, redoc_url=None)
    state = state or State(settings)
    app.state.appliance = state

    @app.get("/healthz", response_model=Health, responses=NOT_FINE)
    def healthz() -> Response:
        """200 when every part works; else 503, with the reasons."""
        report = state.report()
        return json_answer(
            Health, Health(report.healthy, report.reasons), status=200 if report.healthy else 503
        )

    @app.get("/status", response_model=Report)
    def status() -> Response:
        """Version, components, workflows, current and recent runs, disk and outbox."""
        return json_answer(Report, state.report())

    @app.get("/runs", response_model=list[RunLine], responses=NO_DATABASE)
    def runs(
        workflow: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Response:
        """The newest runs."""
        try:
            return json_answer(list[RunLine], state.runs(workflow, limit))
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
        return json_answer(RunDetails, found)

    @app.get("/runs/{run_id}/logs", responses=NO_DATABASE)
    def logs(run_id: RunIdOfPath) -> Response:
        """The end of the log of each step of the run that is under way, scrubbed."""
        try:
            return json_answer(tuple[LogEnd, ...], state.log_ends(run_id))
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None

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

    app.include_router(owner_calls(settings))
    app.include_router(branch_calls(settings))
    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _file(FilePath(__file__).with_name(name), kind), include_in_schema=False)
    token = required_token(settings)
    add_data_routes(app, desk_of(settings), open_to_all=token is None, page=_file, written=json_answer)
    app.add_middleware(Guard, status=settings.status, token=token, owner=token or owners_token(settings))
    return app


def _file(path: FilePath, kind: str) -> Callable[[], Response]:
    """A part of the page, read once."""
    content = path.read_bytes()

    def serve() -> Response:
        return Response(content, media_type=kind)

    return serve
