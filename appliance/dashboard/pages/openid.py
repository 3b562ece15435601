"""Signing in through a provider: there with a link, back with a code."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from appliance.dashboard.http_errors import NotFoundError, ProviderError
from appliance.dashboard.openid.identity import identity
from appliance.dashboard.openid.provider import Provider
from appliance.dashboard.pages.sign_in import safe_target, signed_in
from appliance.dashboard.store.access import audit, openid_people, people
from appliance.dashboard.web import access
from appliance.dashboard.web.context import Context, address_of, context_of, take
from appliance.errors import RefusedError

router = APIRouter(prefix="/sign-in/openid")


def _provider(context: Context) -> Provider:
    if context.provider is None:
        raise NotFoundError(
            "This dashboard has no provider to sign in through.", "", "Sign in with a password."
        )
    return context.provider


def _secret_of(context: Context, purpose: str, state: str) -> str:
    """What goes with a state; the store knows neither the state nor this."""
    return hmac.new(context.secret_key, f"openid-{purpose}:{state}".encode(), hashlib.sha256).hexdigest()


@router.get("")
def begin(request: Request, next: str = "/") -> Response:  # noqa: A002 - the query's name
    """Send the browser to the provider."""
    context = context_of(request)
    provider = _provider(context)
    take(context.limits.sign_in_by_address, access.network_of(address_of(request)))
    cookie, _ = access.stranger_csrf(request, context)
    state = secrets.token_urlsafe(32)
    address = provider.sign_in_address(
        state, _secret_of(context, "nonce", state), _secret_of(context, "verifier", state)
    )
    openid_people.begin(context.database, state, cookie, safe_target(next))
    response = RedirectResponse(address, 303)
    access.set_cookie(context, response, "visitor", cookie)
    return response


@router.get("/callback")
def come_back(request: Request, state: str = "", code: str = "", iss: str = "", error: str = "") -> Response:
    """Take the provider's answer: once, in the browser that it was asked for."""
    context = context_of(request)
    provider = _provider(context)
    address = address_of(request)
    take(context.limits.sign_in_by_address, access.network_of(address))
    cookie, _ = access.stranger_csrf(request, context)
    target = openid_people.take(context.database, state[:200], cookie)
    try:
        if target is None:
            raise _unasked()
        _from_whom_was_asked(provider, iss)
        if error or not code:
            raise _declined(provider, error, target)
        claims = provider.claims(
            code[:2000], _secret_of(context, "nonce", state), _secret_of(context, "verifier", state)
        )
        found = identity(provider.configuration, claims)
    except (ProviderError, RefusedError) as failed:
        why = failed.explanation.rule or failed.why
        people.note_failed_sign_in(
            context.database, "session.sign_in_failed", audit.UNKNOWN_NAME, address, why
        )
        raise
    visitor = openid_people.Visitor(request.headers.get("user-agent", ""), address)
    row, secret = openid_people.sign_in(context.database, found, visitor)
    return signed_in(context, row, secret, target)


@router.get("/sign-out")
def sign_out_there(request: Request) -> Response:
    """On to where one signs out of the provider as well."""
    return RedirectResponse(_provider(context_of(request)).sign_out_address() or "/sign-in", 303)


def _from_whom_was_asked(provider: Provider, iss: str) -> None:
    """RFC 9207: an answer that another provider gave is refused before its code goes anywhere."""
    is_promised = provider.description().get("authorization_response_iss_parameter_supported") is True
    if (iss or is_promised) and iss != provider.configuration.issuer:
        raise RefusedError(
            "This answer came from another provider.",
            "Its name is not that of the provider which was asked.",
            "Sign in again, from the sign-in page.",
            rule="openid_issuer",
        )


def _unasked() -> RefusedError:
    return RefusedError(
        "This sign-in is over.",
        "It took longer than ten minutes, was used before, or was begun in another browser.",
        "Sign in again, from the sign-in page.",
        rule="openid_state",
    )


def _declined(provider: Provider, error: str, target: str) -> RefusedError:
    named = error if re.fullmatch(r"[a-z_]{1,40}", error) else "no code"
    return RefusedError(
        f"{provider.configuration.label} did not sign you in.",
        f"It says: {named}.",
        f"Sign in again: {provider.configuration.redirect_uri.rpartition('/')[0]}?next={quote(target)}",
        rule="openid_declined",
    )
