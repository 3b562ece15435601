"""Who is asking: a person with a session in a browser, or a program with an API token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from appliance.dashboard.http_errors import TooManyRequestsError, UnauthenticatedError
from appliance.dashboard.security import API_PREFIX, Actor, Role, sign, signed_text
from appliance.dashboard.store.access import people, tokens
from appliance.dashboard.store.access.authority import person_maker
from appliance.dashboard.web.context import Context, address_of, context_of, take
from appliance.errors import RefusedError

MAX_FORM_FIELDS = 4000
_FOR_ONES_OWN_SAFETY = frozenset(
    {"/account", "/account/password", "/account/second-factor", "/account/second-factor/on", "/sign-out"}
)
_YEAR = 365 * 86400


class SignInNeededError(Exception):
    """No one is signed in; a page sends its visitor to the sign-in page."""


class OwnPasswordNeededError(Exception):
    """A person has to choose a password or set up a second factor; a page sends them to where they do."""


@dataclass(frozen=True)
class Visit:
    """A signed-in person's request."""

    context: Context
    actor: Actor
    csrf: str
    secret: str
    must_change: bool
    must_set_up: bool = False
    """Whether the dashboard asks for a second factor that this person does not have."""
    through_provider: str = ""
    """The issuer of the provider that vouches for this person; empty for one with a password here."""

    def needs(self, role: Role) -> None:
        """Raise RefusedError where the person's role is less."""
        need_role(self.actor, role)

    def needs_password(self) -> None:
        """Raise RefusedError for who has none here."""
        if self.through_provider:
            raise RefusedError(
                "You have no password here.",
                f"You sign in through {self.through_provider}.",
                "Change your password and second factor there.",
                rule="openid",
            )


def need_role(actor: Actor, role: Role) -> None:
    """Raise RefusedError where the actor's role is less."""
    if not actor.may(role):
        raise RefusedError(
            f"This needs the role {role}.",
            f"You are signed in as {actor.role}.",
            "Ask an admin.",
            rule="role",
        )


def cookie_name(context: Context, name: str) -> str:
    """The ``__Host-`` prefix makes browsers refuse the cookie from anywhere but this very host, over TLS."""
    return f"__Host-{name}" if context.settings.secure else name


def set_cookie(
    context: Context, response: Response, name: str, value: str, seconds: int | None = None
) -> None:
    """A cookie that scripts cannot read and other sites cannot make the browser send."""
    response.set_cookie(
        cookie_name(context, name),
        value,
        max_age=seconds,
        path="/",
        secure=context.settings.secure,
        httponly=True,
        samesite="lax",
    )


async def visit(request: Request) -> Visit:
    """Who is signed in; raises SignInNeededError. A one-time password opens only the page to change it."""
    found = await visitor_of(request)
    if found is None:
        raise SignInNeededError
    if found.must_change and request.url.path not in {"/account", "/account/password", "/sign-out"}:
        if request.method == "GET" and not request.headers.get("x-requested-with"):
            raise OwnPasswordNeededError
        raise RefusedError(
            "Choose a password of your own first.",
            "You are signed in with a one-time password.",
            "Open your account page.",
            rule="must_change",
        )
    if found.must_set_up and request.url.path not in _FOR_ONES_OWN_SAFETY:
        if request.method == "GET" and not request.headers.get("x-requested-with"):
            raise OwnPasswordNeededError
        raise RefusedError(
            "Set up a second factor first.",
            "This dashboard asks everybody who has a password here for one.",
            "Open your account page.",
            rule="second_factor",
        )
    return found


async def visitor_of(request: Request) -> Visit | None:
    """Who is signed in, whatever they may open; None for no one."""
    context = context_of(request)
    secret = request.cookies.get(cookie_name(context, "session"), "")
    row = None
    if 20 < len(secret) < 100:
        row = await run_in_threadpool(people.session_of, context.database, secret)
    if row is None or not _way_is_open(context, row.issuer):
        return None
    actor = Actor(row.name, row.role, address_of(request), row.person_id, person_maker(row.person_id))
    asked = context.settings.require_second_factor and row.issuer is None
    must_set_up = asked and row.totp_since is None
    return Visit(context, actor, row.csrf, secret, bool(row.must_change), must_set_up, row.issuer or "")


def _way_is_open(context: Context, issuer: str | None) -> bool:
    """Whether people still sign in the way this one did: a session outlives no change of the settings."""
    if issuer is None:
        return context.settings.local_accounts
    return context.provider is not None and context.provider.configuration.issuer == issuer


async def checked_form(request: Request, visitor: Annotated[Visit, Depends(visit)]) -> FormData:
    """The form that was sent, after checking that our own page sent it."""
    take(visitor.context.limits.changes, visitor.actor.maker)
    check_origin(request, visitor.context)
    form = await read_form(request)
    sent = request.headers.get("x-csrf-token") or text_of(form, "csrf")
    if not hmac.compare_digest(sent.encode(), visitor.csrf.encode()):
        raise RefusedError(
            "This form was not sent from the page it belongs to.",
            "",
            "Reload the page and try again.",
            rule="csrf",
        )
    return form


async def read_form(request: Request) -> FormData:
    """The form, bounded; files are not taken."""
    return await request.form(max_files=0, max_fields=MAX_FORM_FIELDS, max_part_size=2 * 2**20)


def text_of(form: FormData, name: str) -> str:
    """One field as text; empty where it is missing."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def check_origin(request: Request, context: Context) -> None:
    """Refuse what another site made the browser send."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc not in _own_names(request, context):
        raise RefusedError(
            "This request came from another site.",
            "",
            f"Use the dashboard's own pages, at {context.settings.public_url}",
            rule="origin",
        )
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise RefusedError(
            "This request came from another site.", "", "Use the dashboard's own pages.", rule="origin"
        )


def _own_names(request: Request, context: Context) -> set[str]:
    """What the browser may call this dashboard. A stranger can make a name of theirs point here, so the
    request's own ``Host`` counts only where it is an address of this machine's loopback.
    """
    own, host = urlsplit(context.settings.public_url).netloc, request.headers.get("host", "")
    return {own, host} if is_loopback_name(urlsplit(f"//{host}").hostname or "") else {own}


def is_loopback_name(name: str) -> bool:
    """Whether a name or address can only mean the very machine that asks."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def stranger_csrf(request: Request, context: Context) -> tuple[str, str]:
    """Before there is a session: (the cookie to set, the token for the form)."""
    cookie = request.cookies.get(cookie_name(context, "visitor"), "")
    if not 20 < len(cookie) < 100:
        cookie = secrets.token_urlsafe(24)
    return cookie, sign(context.secret_key, "sign-in", cookie)


def check_stranger_csrf(request: Request, context: Context, token: str) -> None:
    """The same for a form sent before there is a session."""
    check_origin(request, context)
    cookie = request.cookies.get(cookie_name(context, "visitor"), "")
    if not cookie or signed_text(context.secret_key, "sign-in", token) != cookie:
        raise RefusedError("This form is too old.", "", "Reload the page and try again.", rule="csrf")


def limit_sign_in(request: Request, context: Context, name: str) -> None:
    """Slow down guessing. A browser that signed in to the account before has a rate of its own."""
    take(context.limits.sign_in_by_address, network_of(address_of(request)))
    known = signed_text(context.secret_key, "device", request.cookies.get(cookie_name(context, "device"), ""))
    owner, _, device = (known or "").partition("/")
    caller = f"{name}/{device}" if owner == name and device else name
    take(context.limits.sign_in_by_name, caller)


def network_of(address: str) -> str:
    """Whom an address counts as: with IPv6, the network, of whose addresses one machine has all it wants."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((found.packed[:8] + bytes(8), 64)))


def remember_device(context: Context, response: Response, name: str) -> None:
    """Mark the browser as one that signed in to this account."""
    mark = sign(context.secret_key, "device", f"{name}/{secrets.token_urlsafe(12)}")
    set_cookie(context, response, "device", mark, _YEAR)


async def api_actor(request: Request) -> Actor:
    """Who an API token is; raises UnauthenticatedError. Changes are held to a rate."""
    context, address = context_of(request), address_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    actor = None
    if scheme.lower() == "bearer" and token.startswith(API_PREFIX) and token.isascii() and len(token) < 200:
        actor = await run_in_threadpool(tokens.actor_of_token, context.database, token, address)
    if actor is None:
        if seconds := context.limits.bad_token.wait(address):
            raise TooManyRequestsError(seconds)
        raise UnauthenticatedError(
            "An API token is needed.", "It is missing, wrong, expired or revoked.", "Make one under Tokens."
        )
    if request.method not in {"GET", "HEAD"}:
        take(context.limits.changes, actor.maker)
    return actor


def api_role(role: Role) -> Callable[[Actor], Actor]:
    """A dependency: the token's actor, with at least this role."""

    def check(actor: Annotated[Actor, Depends(api_actor)]) -> Actor:
        need_role(actor, role)
        return actor

    return check
