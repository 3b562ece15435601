"""Asks the provider: what it offers, its keys, tokens for a code. Every fault is one page in plain words."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from appliance.dashboard.http_errors import ProviderError
from appliance.dashboard.openid.configuration import CALLBACK, Configuration, may_be_asked
from appliance.dashboard.openid.id_token import Expected, UnknownKeyError, WrongTokenError, verified
from appliance.dashboard.openid.identity import says_all
from appliance.system.http import trusting

TIMEOUT_SECONDS = 8.0
LARGEST_ANSWER = 1 << 20
KNOWN_FOR_SECONDS = 3600
"""How long the provider's description and keys are believed."""
KEYS_AGAIN_SECONDS = 10
"""How often a token with an unknown key may have the keys fetched anew."""
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_ENDPOINTS = (*_NEEDED, "userinfo_endpoint", "end_session_endpoint")
log = logging.getLogger("appliance.dashboard.openid")


class Provider:
    """One provider, with what it said of itself. Threads share it."""

    def __init__(self, configuration: Configuration, now: Any = time.time) -> None:
        self.configuration = configuration
        self._now = now
        self._guard = threading.Lock()
        self._description: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def description(self) -> dict[str, Any]:
        """What the provider says of itself, fetched at most once an hour. Raises ProviderError."""
        with self._guard:
            if self._description and self._now() - self._description[0] < KNOWN_FOR_SECONDS:
                return self._description[1]
            found = self._checked(self._json(get_well_known_url(self.configuration.issuer, external=True)))
            self._description = (self._now(), found)
            return found

    def _checked(self, found: dict[str, Any]) -> dict[str, Any]:
        if found.get("issuer") != self.configuration.issuer:
            raise self._wrong(
                "It calls itself by another name than DASHBOARD_OPENID_ISSUER, to the letter.",
                "Ask who runs this dashboard to copy the issuer from the provider's own pages.",
            )
        missing = [each for each in _NEEDED if not isinstance(found.get(each), str)]
        unsafe = [each for each in _ENDPOINTS if found.get(each) and not may_be_asked(str(found[each]))]
        if missing or unsafe:
            raise self._wrong(f"Its description lacks a usable {', '.join(missing + unsafe)}.")
        methods = found.get("code_challenge_methods_supported")
        if isinstance(methods, list) and "S256" not in methods:
            raise self._wrong("It does not take PKCE with S256, without which a stolen code could be used.")
        return found

    def sign_in_address(self, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises ProviderError."""
        return str(
            prepare_grant_uri(
                self.description()["authorization_endpoint"],
                client_id=self.configuration.client_id,
                response_type="code",
                redirect_uri=self.configuration.redirect_uri,
                scope=" ".join(self.configuration.scopes),
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    @property
    def back_address(self) -> str:
        """Where the provider leads after a sign-out there."""
        return self.configuration.redirect_uri.removesuffix(CALLBACK) + "/sign-in"

    def sign_out_address(self) -> str:
        """Where one signs out of the provider as well; empty where it has no such page or is away."""
        try:
            endpoint = self.description().get("end_session_endpoint")
        except ProviderError:
            return ""
        if not endpoint:
            return ""
        known = self.configuration
        query = urlencode({"client_id": known.client_id, "post_logout_redirect_uri": self.back_address})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def claims(self, code: str, nonce: str, verifier: str) -> dict[str, Any]:
        """What the provider says of who has signed in. Raises ProviderError."""
        tokens = self._tokens(code, verifier)
        expected = Expected(
            self.configuration.issuer, self.configuration.client_id, nonce, str(tokens["access_token"])
        )
        try:
            try:
                claims = verified(tokens["id_token"], self.keys(), expected, self._now())
            except UnknownKeyError:
                claims = verified(tokens["id_token"], self.keys(fresh=True), expected, self._now())
        except WrongTokenError as error:
            log.warning("The provider's ID token was refused: %s", error)
            raise self._wrong(f"Its ID token was refused: {error}.", _AGAIN) from error
        endpoint = self.description().get("userinfo_endpoint")
        if endpoint and not says_all(self.configuration, claims):
            more = self._json(endpoint, {"authorization": f"Bearer {tokens['access_token']}"})
            if more.get("sub") != claims["sub"]:
                raise self._wrong("It speaks of another person in its UserInfo than in its ID token.")
            claims = more | claims
        return claims

    def keys(self, *, fresh: bool = False) -> KeySet:
        """The provider's public keys. ``fresh`` fetches them anew, at a limited rate."""
        url = self.description()["jwks_uri"]
        with self._guard:
            if self._keys:
                age = self._now() - self._keys[0]
                if age < (KEYS_AGAIN_SECONDS if fresh else KNOWN_FOR_SECONDS):
                    return self._keys[1]
            try:
                found = KeySet.import_key_set(self._json(url))  # type: ignore[arg-type]
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise self._wrong("Its keys cannot be read.") from error
            self._keys = (self._now(), found)
            return found

    def _tokens(self, code: str, verifier: str) -> dict[str, Any]:
        description, known = self.description(), self.configuration
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=known.redirect_uri, code_verifier=verifier
        )
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        url, headers, body = self._client_auth(description).prepare(
            "POST", description["token_endpoint"], headers, body
        )
        answer = self._asked("POST", url, headers, body)
        found = _object(answer)
        if answer.status_code != 200:
            return self._no_tokens(answer.status_code, found)
        if not all(isinstance(found.get(each), str) for each in ("id_token", "access_token")):
            raise self._wrong("It gave no ID token for the sign-in.")
        return found

    def _no_tokens(self, status: int, found: Mapping[str, Any]) -> dict[str, Any]:
        error = str(found.get("error", ""))
        log.warning("The provider gave no tokens: status %s, error %r", status, error[:40])
        if error == "invalid_grant":
            raise self._wrong("It does not take this sign-in's code: it is too old, or was used.", _AGAIN)
        if error in {"invalid_client", "unauthorized_client"}:
            raise self._wrong(
                "It does not take this dashboard's name and secret.",
                "Ask who runs this dashboard to look at DASHBOARD_OPENID_CLIENT_ID and its secret's file.",
            )
        raise self._wrong(f"It gave no tokens for the sign-in (status {status}).", _AGAIN)

    def _client_auth(self, description: Mapping[str, Any]) -> ClientAuth:
        """How the dashboard proves who it is: as OpenID Connect has it where the provider says nothing."""
        known = self.configuration
        if not known.client_secret_file:
            return ClientAuth(known.client_id, None, "none")
        offered = description.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_post" in offered:
            return ClientAuth(known.client_id, known.secret, "client_secret_post")
        # RFC 6749, 2.3.1: both are encoded before they are joined by a colon.
        return ClientAuth(
            quote(known.client_id, safe=""), quote(known.secret, safe=""), "client_secret_basic"
        )

    def _json(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = self._asked("GET", url, headers or {})
        found = _object(answer)
        if answer.status_code != 200 or not found:
            log.warning("%s answered with status %s", url, answer.status_code)
            raise self._wrong(
                f"{url} answers with status {answer.status_code}"
                + ("." if answer.status_code != 200 else ", and with nothing that can be read.")
            )
        return found

    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: str | None = None
    ) -> httpx.Response:
        """One request, bounded in time and size; no redirect is followed: secrets go where they are meant."""
        try:
            with (
                httpx.Client(verify=trusting(None), timeout=TIMEOUT_SECONDS) as client,
                client.stream(method, url, headers=dict(headers), content=body) as answer,
            ):
                read = b""
                for piece in answer.iter_bytes():
                    read += piece
                    if len(read) > LARGEST_ANSWER:
                        raise self._wrong("Its answer is too large.")
                return httpx.Response(answer.status_code, content=read)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            log.warning("%s could not be asked: %s", url, type(error).__name__)
            raise ProviderError(
                f"{self.configuration.label} does not answer.",
                f"{url}: {_fault(error)}.",
                "Try again in a moment. The dashboard's log says more to who runs it:"
                " appliance-dashboard check-openid",
            ) from error

    def _wrong(self, why: str, next_step: str = "") -> ProviderError:
        return ProviderError(
            f"{self.configuration.label} does not answer as it should.",
            why,
            next_step or "Ask who runs this dashboard to type: appliance-dashboard check-openid",
        )


_AGAIN = "Sign in again, from the sign-in page."


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _fault(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if "CERTIFICATE" in str(error).upper():
        return "its certificate is not trusted here"
    if isinstance(error, httpx.ConnectError):
        return "nothing can be reached there"
    return "the connection broke"
