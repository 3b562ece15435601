"""Enrolling from the appliance's own page, with a one-time token and without a terminal.

Any user of the machine can open a page on loopback, so it takes no address: a token joins the appliance to
the dashboard that its settings name, once, and to no other. The rest is for ``sudo appliance enrol``.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

import appliance
from appliance.errors import Refused, RequestWrong
from appliance.settings import Settings


class OneTimeToken(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=200, description="As the dashboard showed it.")


def enrol_here(settings: Settings, token: str) -> str:
    """Exchange the token with the dashboard of the settings; returns the name that the appliance has there.

    Raises RequestWrong where that cannot be, WorkFailed where the dashboard does not answer.
    """
    from appliance.reporting.dashboard_client import DashboardClient, checked_url  # noqa: PLC0415 - see serving
    from appliance.reporting.enrolment import enrol, load_identity  # noqa: PLC0415 - the same

    if settings.dashboard_url is None:
        raise RequestWrong(
            "This appliance was set up without a dashboard.",
            "Its address is not in the settings (dashboard_url), and a page may not choose one.",
            "sudo appliance enrol URL -",
        )
    if load_identity(settings.identity_file) is not None:
        raise RequestWrong(
            "This appliance is enrolled already.",
            "A page can enrol it only once.",
            f"sudo appliance enrol {settings.dashboard_url} -",
        )
    url = checked_url(settings.dashboard_url, plain_http=settings.dashboard_plain_http)
    client = DashboardClient(url, version=appliance.__version__, ca_file=settings.dashboard_ca_file)
    try:
        return enrol(client, token.strip(), settings.identity_file, version=appliance.__version__).name
    finally:
        client.close()


def refuse_other_sites(origin: str | None, host: str | None) -> None:
    """Raise Refused for a request that another site made the browser send."""
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refused("This request came from another site.", "", "Use the appliance's own page.")
