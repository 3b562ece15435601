"""The local status service: what an operator, a monitor and the command line ask.

It changes nothing, but that an appliance which is not enrolled can be enrolled from its page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse

import appliance
from appliance.cloud.enrol_unattended import OneTimeToken, enrol_here, refuse_other_sites
from appliance.errors import ApplianceError, Explanation, Refused, RequestWrong
from appliance.settings.settings import Settings
from appliance.status.guard import Guard, required_token
from appliance.status.metrics import CONTENT_TYPE, metrics
from appliance.status.state import State

Row = dict[str, Any]
Described = dict[int | str, dict[str, Any]]
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
NOT_FINE: Described = {503: {"description": "Something does not work; the answer says what."}}
NO_DATABASE: Described = {503: {"description": "The appliance's database does not answer."}}
ENROLS: Described = {
    403: {"description": "Another site sent it."},
    409: {"description": "It cannot be enrolled from here, or not with this token; the answer says why."},
    503: {"description": "The dashboard does not answer."},
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

    @app.get("/healthz", responses=NOT_FINE)
    def healthz(response: Response) -> Row:
        """200 when every part works; else 503, with the reasons."""
        status = state.status()
        if not status["healthy"]:
            response.status_code = 503
        return {"healthy": status["healthy"], "reasons": status["reasons"]}

    @app.get("/status")
    def status() -> Row:
        """Version, components, workflows, current and recent runs, disk and outbox."""
        return state.status()

    @app.get("/runs", responses=NO_DATABASE)
    def runs(
        workflow: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> list[Row]:
        """The newest runs."""
        try:
            return state.runs(workflow, limit)
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None

    @app.get("/runs/{run_id}", responses=NO_DATABASE | {404: {"description": "There is no such run."}})
    def run(run_id: str) -> Row:
        """One run: its steps, how far each table is, its notices, and why it failed."""
        try:
            found = state.run(run_id)
        except psycopg.Error:
            raise HTTPException(503, AWAY.line()) from None
        if found is None:
            unknown = Explanation(f"There is no run '{run_id[:200]}'.", next_step="appliance runs")
            raise HTTPException(404, unknown.line())
        return found

    @app.get("/metrics", response_class=PlainTextResponse)
    def shown_metrics() -> Response:
        """The same for Prometheus."""
        return Response(metrics(state.status()), media_type=CONTENT_TYPE)

    @app.post("/enrol", responses=ENROLS)
    def enrol(request: Request, given: OneTimeToken) -> Row:
        """Enrol with the dashboard of the settings, once."""
        try:
            headers = request.headers
            refuse_other_sites(headers.get("origin"), headers.get("host"), headers.get("sec-fetch-site"))
            return {"name": enrol_here(settings, given.token)}
        except Refused as error:
            raise HTTPException(403, error.text()) from None
        except RequestWrong as error:
            raise HTTPException(409, error.text()) from None
        except ApplianceError as error:
            raise HTTPException(503, error.text()) from None

    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _file(name, kind), include_in_schema=False)
    app.add_middleware(Guard, status=settings.status, token=required_token(settings))
    return app


def _file(name: str, kind: str) -> Callable[[], Response]:
    """A part of the page, read once."""
    content = Path(__file__).with_name(name).read_bytes()

    def serve() -> Response:
        return Response(content, media_type=kind)

    return serve
