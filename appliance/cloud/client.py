"""Speaking to the dashboard, which may be slow, broken or hostile: every answer is bounded in size and time.

No redirect is followed, no cookie is kept, nothing is decompressed, and nothing that it says is repeated.
httpx is loaded with the first client, so that an appliance without a dashboard does without it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

from appliance.errors import WorkFailedError, WrongRequestError
from appliance.system.http import Answer, Fault, fault_of, is_loopback, trusting

CALL_TIMEOUT_S = 20.0
"""For the whole of a call, from looking the name up to the last byte: a drip cannot stretch it."""
USUAL_ANSWER_BYTES = 256 * 2**10
MAX_RETRY_AFTER_S = 300.0


class DashboardAwayError(WorkFailedError):
    """The dashboard gave no answer that can be used. Trying again may help, after ``retry_after`` seconds."""

    def __init__(self, why: str, next_step: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__("The dashboard could not be reached.", why, next_step)
        self.retry_after = retry_after


class TokenRefusedError(WorkFailedError):
    """The dashboard does not know this appliance's token: it was revoked, or replaced."""

    def __init__(self) -> None:
        super().__init__(
            "The dashboard does not accept this appliance's token.",
            "It was revoked, or the appliance was enrolled again elsewhere.",
            "Make a new enrolment token on the dashboard, then: sudo appliance enrol URL -",
        )


def checked_url(url: str, *, plain_http: bool = False) -> str:
    """The dashboard's address without a slash at its end.

    Raises WrongRequestError for one that is no good.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    example = "Give it as https://dashboard.example.com"
    if not fits or parts.username or parts.password or parts.query or parts.fragment:
        raise WrongRequestError("That is not a dashboard's address.", "", f"{example}.")
    if parts.scheme == "http" and not plain_http and not is_loopback(parts.hostname or ""):
        raise WrongRequestError(
            "The dashboard's address is not https.",
            "Anybody on the way could take the appliance's token.",
            f"{example}, or set dashboard_plain_http where the way is safe.",
        )
    return url.rstrip("/")


class DashboardClient:
    """Calls of one dashboard, one at a time. Belongs to one thread."""

    def __init__(self, url: str, *, version: str, token: str = "", ca_file: Path | None = None) -> None:
        self.url = url
        self.token = token
        self._runner = asyncio.Runner()
        import httpx  # noqa: PLC0415 - see the module

        self._client = httpx.AsyncClient(
            base_url=url,
            verify=_trusted(ca_file),
            follow_redirects=False,
            timeout=httpx.Timeout(CALL_TIMEOUT_S / 2),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=120),
            headers={"user-agent": f"appliance/{version}", "accept-encoding": "identity"},
        )
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    def call(
        self,
        method: str,
        path: str,
        body: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = USUAL_ANSWER_BYTES,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Answer:
        """One request, answered with 2xx, 304 or a 4xx.

        Raises DashboardAwayError, or TokenRefusedError for a 401.
        """
        import httpx  # noqa: PLC0415 - see the module

        sent = {"content-type": "application/json", **(headers or {})}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        try:
            request = self._client.build_request(method, path, content=body, headers=sent)
            return self._runner.run(self._send(request, max_bytes, timeout_s))
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, TimeoutError) as error:
            raise DashboardAwayError(*_cause(error, timeout_s)) from None

    async def _send(self, request: httpx.Request, max_bytes: int, timeout_s: float) -> Answer:
        async with asyncio.timeout(timeout_s):
            response = await self._client.send(request, stream=True)
            try:
                return await _read(response, max_bytes)
            finally:
                await response.aclose()


async def _read(response: httpx.Response, max_bytes: int) -> Answer:
    _check_status(response)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DashboardAwayError("It sent a compressed answer, which was not asked for.")
    received = bytearray()
    async for chunk in response.aiter_raw(65_536):
        received += chunk
        if len(received) > max_bytes:
            raise DashboardAwayError(f"Its answer is larger than {max_bytes // 1024} KiB.")
    return Answer(response.status_code, bytes(received))


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == 401:
        raise TokenRefusedError
    if status == 429 or status >= 500:
        wait = response.headers.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0.0
        raise DashboardAwayError(f"It answered {status}.", retry_after=min(seconds, MAX_RETRY_AFTER_S))
    if status < 200 or (300 <= status < 400 and status != 304):
        raise DashboardAwayError(
            f"It answered {status}, and redirects are not followed.", "Use the address that it has itself."
        )


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return trusting(ca_file)
    except OSError as error:
        raise WrongRequestError(
            f"{ca_file} cannot be used: {error.strerror or type(error).__name__}.",
            "dashboard_ca_file names it as a file of authorities to trust.",
            f"openssl x509 -noout -subject -in {ca_file}",
        ) from None


_CAUSES = {
    Fault.CERTIFICATE: (
        "Its certificate is not trusted, has expired, or is for another name.",
        "Set dashboard_ca_file to the authority that signed it, if it is your own.",
    ),
    Fault.TLS: ("It does not speak TLS as it should.", "Check the address's scheme and port."),
    Fault.NAME: ("No address is known for its name.", "Check the address, and the DNS of this machine."),
    Fault.REFUSED: ("Nothing listens at its address.", "Check the address; it may be restarting."),
}


def _cause(error: BaseException, timeout_s: float) -> tuple[str, str]:
    """(why, what to do)."""
    fault = fault_of(error)
    if fault is Fault.TIME:
        return f"It did not answer within {timeout_s:.0f} s.", "Check the network and the proxy."
    return _CAUSES.get(fault, (f"The connection broke ({type(error).__name__}).", ""))
