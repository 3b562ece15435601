"""The local status service: what an operator, a monitor and the command line ask. It changes nothing."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, HTTPException, Query, Response

import appliance
from appliance.settings import Settings
from appliance.status.state import State

Row = dict[str, Any]
AWAY = "The appliance's database does not answer, so nothing can be said about runs. Next: appliance status"


def create_app(settings: Settings, state: State | None = None) -> FastAPI:
    """The service as an ASGI application. Pages and metrics add their routes here, on the same State."""
    app = FastAPI(title="Appliance status", version=appliance.__version__, docs_url=None, redoc_url=None)
    state = state or State(settings)
    app.state.appliance = state

    @app.get("/healthz")
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

    @app.get("/runs")
    def runs(
        workflow: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> list[Row]:
        """The newest runs."""
        try:
            return state.runs(workflow, limit)
        except psycopg.Error:
            raise HTTPException(503, AWAY) from None

    @app.get("/runs/{run_id}")
    def run(run_id: str) -> Row:
        """One run: its steps, how far each table is, its notices, and why it failed."""
        try:
            found = state.run(run_id)
        except psycopg.Error:
            raise HTTPException(503, AWAY) from None
        if found is None:
            raise HTTPException(404, f"There is no run '{run_id[:200]}'. Next: appliance runs")
        return found

    return app
