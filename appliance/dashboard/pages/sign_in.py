"""Signing in and out, and one's own account."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import TooManyRequestsError
from appliance.dashboard.pages.rendering import html, page
from appliance.dashboard.security import digest
from appliance.dashboard.store import people
from appliance.dashboard.web import access
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.context import Context, address_of, context_of

router = APIRouter()


def safe_target(target: str) -> str:
    """A path on this dashboard; anything else becomes the first page."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/"


def own_password_page(target: str) -> str:
    """Where a person with a one-time password chooses their own, and goes on from."""
    return "/account" if target == "/" else f"/account?next={quote(target)}"


def _form(request: Request, context: Context, name: str = "", wrong: bool = False) -> Response:
    cookie, csrf = access.stranger_csrf(request, context)
    data = {
        "csrf": csrf,
        "name": name[:64],
        "wrong": wrong,
        "target": safe_target(request.query_params.get("next", "/")),
    }
    response = html(request, "sign_in.html", data, status=401 if wrong else 200)
    access.set_cookie(context, response, "visitor", cookie)
    return response


def _note_refused(context: Context, name: str, address: str) -> None:
    """One a minute and network: what goes on is seen without a row for every guess."""
    if not context.limits.refusals_noted.wait(access.network_of(address)):
        people.note_failed_sign_in(context.database, "session.sign_in_refused", name, address)


@router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    return _form(request, context_of(request))


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Check name and password, at a limited rate."""
    context = context_of(request)
    form = await access.read_form(request)
    name = text_of(form, "name").strip()[:64]
    access.check_stranger_csrf(request, context, text_of(form, "csrf"))
    try:
        access.limit_sign_in(request, context, name)
    except TooManyRequestsError:
        await run_in_threadpool(_note_refused, context, name, address_of(request))
        raise
    secret = await run_in_threadpool(
        people.sign_in,
        context.database,
        name,
        text_of(form, "password"),
        request.headers.get("user-agent", ""),
        address_of(request),
    )
    if secret is None:
        return _form(request, context, name, wrong=True)
    target = safe_target(text_of(form, "next"))
    with context.database.read() as session:
        if people.must_change(session, name):
            target = own_password_page(target)
    response = RedirectResponse(target, 303)
    access.set_cookie(context, response, "session", secret)
    access.remember_device(context, response, name)
    return response


@router.post("/sign-out", dependencies=[Depends(checked_form)])
def sign_out(visitor: Annotated[Visit, Depends(visit)]) -> Response:
    """End this session."""
    people.sign_out(visitor.context.database, visitor.secret)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(access.cookie_name(visitor.context, "session"), path="/")
    return response


@router.get("/account")
def account(request: Request, visitor: Annotated[Visit, Depends(visit)]) -> Response:
    """One's own password and sessions."""
    with visitor.context.database.read() as session:
        sessions = people.sessions_of(session, visitor.actor.person_id or "")
    own = digest(visitor.secret)
    return page(
        visitor,
        request,
        "account.html",
        sessions=sessions,
        own=own,
        must_change=visitor.must_change,
        target=safe_target(request.query_params.get("next", "")),
    )


@router.post("/account/password")
def change_password(
    request: Request,
    visitor: Annotated[Visit, Depends(visit)],
    form: Annotated[FormData, Depends(checked_form)],
) -> Response:
    """Change one's own password; the present one may be guessed no faster than at the door."""
    access.limit_sign_in(request, visitor.context, visitor.actor.name)
    people.change_own_password(
        visitor.context.database, visitor.actor, text_of(form, "old"), text_of(form, "new"), visitor.secret
    )
    target = safe_target(text_of(form, "next")) if visitor.must_change else "/account"
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}note=password", 303)
