"""Signing in and out, and one's own account."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import TooManyRequestsError
from appliance.dashboard.pages.rendering import View, page, page_for_anybody
from appliance.dashboard.security import digest, sign, signed_text
from appliance.dashboard.store.access import people, second_factors
from appliance.dashboard.store.access.rows import Account, SessionRow, SigningIn
from appliance.dashboard.web import access
from appliance.dashboard.web.access import Visit, checked_form, text_of, visit
from appliance.dashboard.web.context import Context, address_of, context_of, take
from appliance.errors import RefusedError

router = APIRouter()
HALF_SIGNED_IN_SECONDS = 300
"""How long the code may follow the password."""
_HALF = "second-factor"


@dataclass(frozen=True)
class Setup:
    """A secret that waits for its first code: to read, as a picture, and sealed for the form."""

    secret: str
    picture: str
    sealed: str
    wrong: bool = False


@dataclass(frozen=True)
class SignInPage(View):
    """The form for name and password, and the way through a provider."""

    template: ClassVar[str] = "sign_in.html"
    csrf: str
    name: str
    wrong: bool
    target: str
    provider: str
    local: bool
    signed_out: bool


@dataclass(frozen=True)
class CodePage(View):
    """The form for the code that follows the password; ``half`` says that it was right."""

    template: ClassVar[str] = "sign_in_code.html"
    csrf: str
    half: str
    wrong: bool
    target: str


@dataclass(frozen=True)
class AccountPage(View):
    """One's own account; ``own`` is the digest of this session."""

    template: ClassVar[str] = "account.html"
    sessions: list[SessionRow]
    own: str
    must_change: bool
    provider: str
    must_set_up: bool
    required: bool
    standing: second_factors.Standing
    codes: Sequence[str]
    setup: Setup | None
    target: str


def safe_target(target: str) -> str:
    """A path on this dashboard; anything else becomes the first page."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/"


def own_password_page(target: str) -> str:
    """Where a person with a one-time password chooses their own, and goes on from."""
    return "/account" if target == "/" else f"/account?next={quote(target)}"


def _form(request: Request, context: Context, name: str = "", wrong: bool = False) -> Response:
    cookie, csrf = access.stranger_csrf(request, context)
    shown = SignInPage(
        csrf=csrf,
        name=name[:64],
        wrong=wrong,
        target=safe_target(request.query_params.get("next", "/")),
        provider=context.provider.configuration.label if context.provider else "",
        local=context.settings.local_accounts,
        signed_out="signed-out" in request.query_params,
    )
    response = page_for_anybody(request, shown, status=401 if wrong else 200)
    access.set_cookie(context, response, "visitor", cookie)
    return response


def half_signed_in(context: Context, request: Request, row: SigningIn) -> str:
    """Says that this browser gave the right password; void with the password's change."""
    cookie, _ = access.stranger_csrf(request, context)
    until = int(time.time()) + HALF_SIGNED_IN_SECONDS
    return sign(context.secret_key, _HALF, f"{row.id}/{until}/{digest(cookie)}/{digest(row.password)}")


def _half_of(context: Context, request: Request, half: str) -> SigningIn | None:
    parts = (signed_text(context.secret_key, _HALF, half) or "").split("/")
    if len(parts) != 4 or int(parts[1]) < time.time():
        return None
    if parts[2] != digest(access.stranger_csrf(request, context)[0]):
        return None
    with context.database.read() as session:
        row = people.still_signing_in(session, parts[0])
    return row if row and parts[3] == digest(row.password) else None


def code_form(request: Request, context: Context, half: str, target: str, wrong: bool = False) -> Response:
    """Asks for the code, after the password."""
    cookie, csrf = access.stranger_csrf(request, context)
    shown = CodePage(csrf, half, wrong, safe_target(target))
    response = page_for_anybody(request, shown, status=401 if wrong else 200)
    access.set_cookie(context, response, "visitor", cookie)
    return response


@router.post("/sign-in/code")
async def sign_in_code(request: Request) -> Response:
    """Check the code that follows the password, at a limited rate."""
    context = context_of(request)
    form = await access.read_form(request)
    access.check_stranger_csrf(request, context, text_of(form, "csrf"))
    half, target = text_of(form, "half"), text_of(form, "next")
    row = await run_in_threadpool(_half_of, context, request, half)
    if row is None:
        return RedirectResponse(f"/sign-in?next={quote(safe_target(target))}", 303)
    take(context.limits.second_factor, row.id)
    secret = await run_in_threadpool(_with_code, request, context, row, text_of(form, "code")[:64])
    if secret is None:
        return code_form(request, context, half, target, wrong=True)
    context.limits.second_factor.give_back(row.id)
    return signed_in(context, row, secret, target)


def _with_code(request: Request, context: Context, row: Account, code: str) -> str | None:
    address = address_of(request)
    with context.database.write() as session:
        proof = second_factors.use(session, context.secret_key, row.id, code)
        if proof:
            return people.begin_session(
                session, row, request.headers.get("user-agent", ""), address, proof=proof
            )
    people.note_failed_sign_in(context.database, "session.sign_in_failed", row.name, address)
    return None


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
    _need_local_accounts(context)
    form = await access.read_form(request)
    name = text_of(form, "name").strip()[:64]
    access.check_stranger_csrf(request, context, text_of(form, "csrf"))
    try:
        access.limit_sign_in(request, context, name)
    except TooManyRequestsError:
        await run_in_threadpool(_note_refused, context, name, address_of(request))
        raise
    row = await run_in_threadpool(
        people.with_password, context.database, name, text_of(form, "password"), address_of(request)
    )
    if row is None:
        return _form(request, context, name, wrong=True)
    if row.totp_since is not None:
        return code_form(request, context, half_signed_in(context, request, row), text_of(form, "next"))
    return await run_in_threadpool(_begin, request, context, row, text_of(form, "next"))


def _need_local_accounts(context: Context) -> None:
    if not context.settings.local_accounts:
        raise RefusedError(
            "This dashboard takes no passwords.",
            "Everybody signs in through the provider.",
            "Open the sign-in page.",
            rule="local_accounts",
        )


def _begin(request: Request, context: Context, row: Account, target: str) -> Response:
    with context.database.write() as session:
        secret = people.begin_session(
            session, row, request.headers.get("user-agent", ""), address_of(request)
        )
    return signed_in(context, row, secret, target)


def signed_in(context: Context, row: Account, secret: str, target: str) -> Response:
    """On to where the person wanted to go, with their session."""
    target = safe_target(target)
    response = RedirectResponse(own_password_page(target) if row.must_change else target, 303)
    access.set_cookie(context, response, "session", secret)
    access.remember_device(context, response, row.name)
    return response


@router.post("/sign-out", dependencies=[Depends(checked_form)])
def sign_out(visitor: Annotated[Visit, Depends(visit)]) -> Response:
    """End this session."""
    people.sign_out(visitor.context.database, visitor.secret)
    response = RedirectResponse("/sign-in?signed-out" if visitor.through_provider else "/sign-in", 303)
    response.delete_cookie(access.cookie_name(visitor.context, "session"), path="/")
    return response


def account_page(
    request: Request, visitor: Visit, codes: Sequence[str] = (), setup: Setup | None = None
) -> Response:
    """The account, with what is shown once: new recovery codes, or the secret of a set-up."""
    with visitor.context.database.read() as session:
        sessions = people.sessions_of(session, visitor.actor.person_id or "")
        standing = second_factors.standing(session, visitor.actor.person_id or "")
    return page(
        visitor,
        request,
        AccountPage(
            sessions=sessions,
            own=digest(visitor.secret),
            must_change=visitor.must_change,
            provider=visitor.through_provider,
            must_set_up=visitor.must_set_up and standing.since is None,
            required=visitor.context.settings.require_second_factor,
            standing=standing,
            codes=codes,
            setup=setup,
            target=safe_target(request.query_params.get("next", "")),
        ),
        status=422 if setup and setup.wrong else 200,
    )


@router.get("/account")
def account(request: Request, visitor: Annotated[Visit, Depends(visit)]) -> Response:
    """One's own password and sessions."""
    return account_page(request, visitor)


@router.post("/account/password")
def change_password(
    request: Request,
    visitor: Annotated[Visit, Depends(visit)],
    form: Annotated[FormData, Depends(checked_form)],
) -> Response:
    """Change one's own password; the present one may be guessed no faster than at the door."""
    access.limit_sign_in(request, visitor.context, visitor.actor.name)
    visitor.needs_password()
    people.change_own_password(
        visitor.context.database, visitor.actor, text_of(form, "old"), text_of(form, "new"), visitor.secret
    )
    target = safe_target(text_of(form, "next")) if visitor.must_change else "/account"
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}note=password", 303)
