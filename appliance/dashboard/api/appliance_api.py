"""The appliance's side of ``/v1``: the contract's five calls."""

from __future__ import annotations

from typing import TypeVar

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from appliance.contract.calls import (
    Enrolled,
    EnrolRequest,
    EventBatch,
    EventsAccepted,
    Heartbeat,
    HeartbeatAnswer,
    NewToken,
    Problem,
    WorkflowSet,
)
from appliance.contract.fields import WireModel
from appliance.dashboard.http_errors import TooManyRequestsError, UnauthenticatedError
from appliance.dashboard.store import workflows
from appliance.dashboard.store.appliances import fleet
from appliance.dashboard.store.appliances.rows import UsedToken
from appliance.dashboard.store.run_history import ingest
from appliance.dashboard.web.context import Context, address_of, context_of, take
from appliance.dashboard.web.openapi import body_of
from appliance.errors import Explanation

router = APIRouter(
    prefix="/v1",
    tags=["appliance"],
    responses={code: {"model": Problem} for code in (401, 413, 422, 429, 503)},
)

Model = TypeVar("Model", bound=WireModel)
for _model in (EnrolRequest, Heartbeat, EventBatch):
    # Models are built at their first use; here that would be in several threads at once.
    _model.model_rebuild()


def _answer(model: WireModel) -> Response:
    return Response(model.to_wire(), media_type="application/json")


async def _read(request: Request, model: type[Model]) -> Model:
    return model.from_wire(await request.body())


def _appliance(context: Context, request: Request) -> UsedToken:
    """Who calls; every refusal counts against the address, so that guessing is slow."""
    address = address_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    row = None
    if scheme.lower() == "bearer" and token.isascii() and len(token) <= 200:
        row = fleet.authenticate(context.database, token.strip(), address)
    if row is None:
        if seconds := context.limits.bad_token.wait(address):
            raise TooManyRequestsError(seconds)
        raise UnauthenticatedError(
            "This appliance is not known here.",
            "Its token is missing, wrong, or was revoked.",
            "Enrol it again with a token from the dashboard.",
        )
    return row


@router.post("/enrol", response_model=Enrolled, openapi_extra=body_of(EnrolRequest))
async def enrol(request: Request) -> Response:
    """Exchange a one-time token for the appliance's own bearer token."""
    context, address = context_of(request), address_of(request)
    take(context.limits.enrol, address)
    asked = await _read(request, EnrolRequest)
    row = await run_in_threadpool(
        fleet.exchange, context.database, asked.token, asked.attempt, asked.version, address
    )
    if row is None:
        raise UnauthenticatedError(
            "That enrolment token is no good.",
            "It was used, replaced, has expired, its maker may add none any more, or it was never given out.",
            "Make a new one on the appliance's page of the dashboard.",
        )
    context.limits.enrol.give_back(address)
    return _answer(Enrolled(**vars(row), heartbeat_seconds=context.settings.heartbeat_seconds))


@router.post("/appliance/heartbeat", response_model=HeartbeatAnswer, openapi_extra=body_of(Heartbeat))
async def heartbeat(request: Request) -> Response:
    """Report the appliance's state; the answer says what is wanted of it."""
    context, body = context_of(request), await request.body()

    def take_in() -> HeartbeatAnswer:
        row = _appliance(context, request)
        take(context.limits.heartbeats, row.id)
        return context.heartbeats.receive(row, Heartbeat.from_wire(body))

    return _answer(await run_in_threadpool(take_in))


@router.get(
    "/appliance/workflows", response_model=WorkflowSet, responses={304: {"description": "Unchanged."}}
)
async def assigned_workflows(request: Request) -> Response:
    """All of the appliance's workflows; 304 where If-None-Match names the present set."""
    context, known = context_of(request), request.headers.get("if-none-match", "").strip('"')

    def look_up() -> WorkflowSet | str:
        row = _appliance(context, request)
        take(context.limits.fetches, row.id)
        with context.database.read() as session:
            etag = workflows.etag(session, row.id)
            return etag if etag == known else workflows.wanted_by(session, row.id)

    found = await run_in_threadpool(look_up)
    if isinstance(found, str):
        return Response(status_code=304, headers={"etag": f'"{found}"'})
    answer = _answer(found)
    answer.headers["etag"] = f'"{found.etag}"'
    return answer


@router.post("/appliance/events", response_model=EventsAccepted, openapi_extra=body_of(EventBatch))
async def events(request: Request) -> Response:
    """Take a batch of events. Everything in an answered batch is dealt with and need not be sent again."""
    context, body = context_of(request), await request.body()

    def take_in() -> EventsAccepted:
        row = _appliance(context, request)
        take(context.limits.events, row.id)
        return ingest.receive(context.database, row.id, body)

    return _answer(await run_in_threadpool(take_in))


@router.post("/appliance/token", response_model=NewToken)
async def rotate_token(request: Request) -> Response:
    """A fresh bearer token; the present one is good until the new one is first used."""
    context = context_of(request)

    def rotate() -> NewToken:
        row = _appliance(context, request)
        take(context.limits.rotations, row.id)
        return NewToken(token=fleet.rotate(context.database, row.id))

    return _answer(await run_in_threadpool(rotate))


def validation_problem(error: ValidationError) -> Problem:
    """What is wrong with a body, without repeating what was in it."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    places = [
        f"{'.'.join(str(part) for part in entry['loc']) or 'body'}: {entry['type']}" for entry in found[:10]
    ]
    wrong = Explanation(
        "The request's body does not fit the contract.",
        "; ".join(places),
        "Compare it with /v1/openapi.json.",
    )
    return Problem.of("invalid", wrong)
