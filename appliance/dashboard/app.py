"""Puts the dashboard together: the contract's calls, the management calls, the pages, their protection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from appliance import __version__
from appliance.contract.calls import Problem
from appliance.dashboard.api import appliance_api
from appliance.dashboard.api import appliances as api_appliances
from appliance.dashboard.api import bulk as api_bulk
from appliance.dashboard.api import catalogs as api_catalogs
from appliance.dashboard.api import metrics as api_metrics
from appliance.dashboard.api import people as api_people
from appliance.dashboard.api import presets as api_presets
from appliance.dashboard.api import proposals as api_proposals
from appliance.dashboard.api import releases as api_releases
from appliance.dashboard.api import workflows as api_workflows
from appliance.dashboard.http_errors import TooManyRequestsError, problem_of, status_of
from appliance.dashboard.notifying.notifier import FleetNotifier, notifier
from appliance.dashboard.pages import appliance as pages_appliance
from appliance.dashboard.pages import audit as pages_audit
from appliance.dashboard.pages import bulk as pages_bulk
from appliance.dashboard.pages import fleet as pages_fleet
from appliance.dashboard.pages import openid as pages_openid
from appliance.dashboard.pages import people as pages_people
from appliance.dashboard.pages import proposals as pages_proposals
from appliance.dashboard.pages import releases as pages_releases
from appliance.dashboard.pages import runs as pages_runs
from appliance.dashboard.pages import second_factor as pages_second_factor
from appliance.dashboard.pages import sign_in as pages_sign_in
from appliance.dashboard.pages import workflow as pages_workflow
from appliance.dashboard.pages.editing import columns as pages_columns
from appliance.dashboard.pages.editing import edit as pages_edit
from appliance.dashboard.pages.editing import history as pages_history
from appliance.dashboard.pages.editing import plan as pages_plan
from appliance.dashboard.pages.editing import presets as pages_presets
from appliance.dashboard.pages.editing import save as pages_save
from appliance.dashboard.pages.editing import yaml_schema as pages_yaml_schema
from appliance.dashboard.pages.rendering import STATIC, View, page, page_for_anybody
from appliance.dashboard.rollouts.advancing import advance
from appliance.dashboard.settings import Settings
from appliance.dashboard.store.database import StoreAwayError
from appliance.dashboard.store.run_history.retention import sweep
from appliance.dashboard.web import bundles, openapi, releases
from appliance.dashboard.web.access import OwnPasswordNeededError, SignInNeededError, Visit, visitor_of
from appliance.dashboard.web.context import Context
from appliance.dashboard.web.limits import Protection
from appliance.errors import ApplianceError, Explanation
from appliance.releases.repository.contents import METADATA, TARGETS

SWEEP_EVERY_SECONDS = 600
ROLLOUTS_EVERY_SECONDS = 15
NOTIFY_EVERY_SECONDS = 15
log = logging.getLogger("appliance.dashboard")


def create_app(settings: Settings, context: Context | None = None) -> FastAPI:
    """The whole application. Opens the store and brings its schema up to date."""
    context = context or Context.open(settings)
    app = FastAPI(
        title="Appliance dashboard",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.context = context
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    for router in (
        appliance_api,
        api_bulk,
        api_appliances,
        api_catalogs,
        api_workflows,
        api_presets,
        api_proposals,
        api_releases,
        api_people,
    ):
        app.include_router(router.router)
    for pages in (
        pages_sign_in,
        pages_openid,
        pages_second_factor,
        pages_bulk,
        pages_fleet,
        pages_appliance,
        pages_plan,
        pages_history,
        pages_workflow,
        pages_edit,
        pages_yaml_schema,
        pages_save,
        pages_presets,
        pages_columns,
        pages_proposals,
        pages_runs,
        pages_releases,
        pages_people,
        pages_audit,
    ):
        app.include_router(pages.router, include_in_schema=False)
    app.include_router(bundles.router, include_in_schema=False)
    app.include_router(api_metrics.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    if settings.releases:
        # For anybody, as bundles are: who reads it verifies it. No link leads out of it.
        for part in (METADATA, TARGETS):
            files = StaticFiles(directory=Path(settings.releases) / part)
            app.mount(f"/releases/{part}", files, name=f"releases-{part}")
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_middleware(Protection, secure=settings.secure)
    _add_error_handlers(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    tasks = [asyncio.create_task(each(context)) for each in (_sweep_for_ever, _advance_for_ever)]
    if (notifies := notifier(context.settings, context.database)) is not None:
        tasks.append(asyncio.create_task(_notify_for_ever(notifies)))
    yield
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    context.database.close()


async def _sweep_for_ever(context: Context) -> None:
    while True:
        try:
            await run_in_threadpool(sweep, context.database, context.settings.retention_days)
        except StoreAwayError as error:
            log.warning("The store could not be tidied: %s", error)
        await asyncio.sleep(SWEEP_EVERY_SECONDS)


async def _advance_for_ever(context: Context) -> None:
    while True:
        try:
            await run_in_threadpool(releases.stop_revoked, context)
            await run_in_threadpool(advance, context.database, context.settings.heartbeat_seconds)
        except StoreAwayError as error:
            log.warning("Rollouts could not be carried on: %s", error)
        await asyncio.sleep(ROLLOUTS_EVERY_SECONDS)


async def _notify_for_ever(notifies: FleetNotifier) -> None:
    while True:
        try:
            await run_in_threadpool(notifies.turn)
        except StoreAwayError as error:
            log.warning("The fleet could not be looked at: %s", error)
        except OSError as error:
            log.warning("What has been said could not be kept: %s", error.strerror)
        await asyncio.sleep(NOTIFY_EVERY_SECONDS)


def _healthz(request: Request) -> Response:
    context: Context = request.app.state.context
    with context.database.read() as session:
        session.count("SELECT 1")
    return JSONResponse({"ok": True, "version": __version__})


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(SignInNeededError)
    async def _sign_in(request: Request, _error: Exception) -> Response:
        if request.headers.get("x-requested-with"):
            return Response(status_code=401)
        target = request.url.path if request.method == "GET" else "/"
        return RedirectResponse(f"/sign-in?next={quote(target)}", 303)

    @app.exception_handler(OwnPasswordNeededError)
    async def _choose(request: Request, _error: Exception) -> Response:
        return RedirectResponse(pages_sign_in.own_password_page(request.url.path), 303)

    @app.exception_handler(ApplianceError)
    async def _known(request: Request, error: ApplianceError) -> Response:
        headers = {"retry-after": str(error.retry_after)} if isinstance(error, TooManyRequestsError) else {}
        return await _answer(request, status_of(error), problem_of(error), headers)

    @app.exception_handler(ValidationError)
    async def _invalid(request: Request, error: ValidationError) -> Response:
        return await _answer(request, 422, appliance_api.validation_problem(error))

    @app.exception_handler(RequestValidationError)
    async def _unfit(request: Request, error: RequestValidationError) -> Response:
        places = [
            f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()
        ]
        wrong = Explanation("The request is not well formed.", "; ".join(places))
        return await _answer(request, 422, Problem.of("invalid", wrong))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        what = {404: "There is nothing here.", 405: "That cannot be done here."}.get(
            error.status_code, "The request was not understood."
        )
        problem = Problem.of(f"http_{error.status_code}", Explanation(what, next_step="Check the address."))
        return await _answer(request, error.status_code, problem, dict(error.headers or {}))

    @app.exception_handler(StoreAwayError)
    async def _away(request: Request, error: StoreAwayError) -> Response:
        log.error("The store did not answer: %s", error)
        away = Explanation(
            "The dashboard's store does not answer.",
            "It is starting, full, or out of reach. Nothing was changed.",
            "Try again in a moment; the dashboard's log says more.",
        )
        problem = Problem.of("store_away", away)
        return await _answer(request, 503, problem, {"retry-after": "5"})


@dataclass(frozen=True)
class ErrorPage(View):
    """What went wrong; ``back`` is the page that led here."""

    template: ClassVar[str] = "error.html"
    problem: Problem
    number: int
    back: str


async def _answer(
    request: Request, status: int, problem: Problem, headers: dict[str, str] | None = None
) -> Response:
    as_data = request.url.path.startswith("/v1/") or request.headers.get("x-requested-with")
    if as_data:
        return JSONResponse(problem.model_dump(), status, headers)
    visitor = await _visitor(request)
    view = ErrorPage(problem, status, _page_before(request))
    if visitor is None:
        shown = page_for_anybody(request, view, status=status)
    else:
        shown = page(visitor, request, view, status=status)
    shown.headers.update(headers or {})
    return shown


async def _visitor(request: Request) -> Visit | None:
    """Who looks at the error, for the navigation that goes with them; none while the store is away."""
    try:
        return await visitor_of(request)
    except StoreAwayError:
        return None


def _page_before(request: Request) -> str:
    """The page of this dashboard that led here, if it was another one."""
    came = urlsplit(request.headers.get("referer", ""))
    own = {request.url.netloc, urlsplit(request.app.state.context.settings.public_url).netloc}
    path = pages_sign_in.safe_target(came.path) if came.netloc in own else "/"
    return "" if path in {"/", request.url.path, "/sign-in"} else path
