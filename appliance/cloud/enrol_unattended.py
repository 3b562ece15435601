"""Enrolling with a one-time token and without a terminal: from a file, or from the appliance's own page.

Any user of the machine can open a page on loopback, so it takes no address: a token joins the appliance to
the dashboard that its settings name, once, and to no other. The rest is for ``sudo appliance enrol``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

import appliance
from appliance.errors import ApplianceError, RefusedError, WrongRequestError
from appliance.settings.settings import Settings

if TYPE_CHECKING:
    from appliance.cloud.backoff import Backoff
    from appliance.cloud.client import DashboardClient
    from appliance.cloud.enrolment import Identity

REFUSED_WAIT_S = 60.0
"""A token that was revoked does not become good by asking every second."""


class OneTimeToken(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=200, description="As the dashboard showed it.")


def enrol_here(settings: Settings, token: str) -> str:
    """Exchange the token with the dashboard of the settings; returns the name that the appliance has there.

    Raises WrongRequestError where that cannot be, WorkFailedError where the dashboard does not answer.
    """
    from appliance.cloud.enrolment import enrol, load_identity  # noqa: PLC0415 - see serving

    if settings.dashboard_url is None:
        raise WrongRequestError(
            "This appliance was set up without a dashboard.",
            "Its address is not in the settings (dashboard_url), and a page may not choose one.",
            "sudo appliance enrol URL -",
        )
    if load_identity(settings.identity_file) is not None:
        raise WrongRequestError(
            "This appliance is enrolled already.",
            "A page can enrol it only once.",
            f"sudo appliance enrol {settings.dashboard_url} -",
        )
    client = client_of(settings, settings.dashboard_url)
    try:
        return enrol(client, token.strip(), settings.identity_file, version=appliance.__version__).name
    finally:
        client.close()


def enrol_by_file(settings: Settings, identity: Identity | None, backoff: Backoff) -> Identity | None:
    """The identity after enrolling with the token that the machine was set up with, if there is a new one.

    Raises WrongRequestError for an address that may not be used, and WorkFailedError where there is no
    identity yet.
    """
    from appliance.cloud.client import checked_url  # noqa: PLC0415 - see serving
    from appliance.cloud.enrolment import digest, enrol  # noqa: PLC0415 - the same

    address = checked_url(settings.dashboard_url or "", plain_http=settings.dashboard_plain_http)
    try:
        token = settings.enrolment_token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return identity
    if not token or (identity is not None and identity.enrolled_with == digest(token)):
        return identity
    client = _client(settings, address)
    try:
        made = enrol(client, token, settings.identity_file, version=appliance.__version__)
        backoff.succeeded()
        return made
    except ApplianceError as error:
        backoff.failed(getattr(error, "retry_after", REFUSED_WAIT_S))
        if identity is None:
            raise
        return identity
    finally:
        client.close()


def client_of(settings: Settings, url: str, token: str = "") -> DashboardClient:
    """A client of the dashboard at ``url``. Raises WrongRequestError for an address that may not be used."""
    from appliance.cloud.client import checked_url  # noqa: PLC0415 - see serving

    return _client(settings, checked_url(url, plain_http=settings.dashboard_plain_http), token)


def _client(settings: Settings, address: str, token: str = "") -> DashboardClient:
    from appliance.cloud.client import DashboardClient  # noqa: PLC0415 - see serving

    return DashboardClient(
        address,
        version=appliance.__version__,
        token=token,
        ca_file=settings.dashboard_ca_file,
    )


def refuse_other_sites(origin: str | None, host: str | None, site: str | None = None) -> None:
    """Raise RefusedError for a request that another site made the browser send."""
    foreign = origin is not None and urlsplit(origin).netloc != host
    if foreign or site not in {None, "same-origin", "none"}:
        raise RefusedError("This request came from another site.", "", "Use the appliance's own page.")
