"""Makes sure that the appliance is enrolled with the dashboard, whichever of the two has lost its memory."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from appliance.errors import WorkFailedError

from .dashboard import Dashboard
from .stack import Stack

NAME = "Sample shop"
INSIDE = "http://dashboard:8650"
"""The dashboard's address for the appliance."""
HEARD_WITHIN_S = 60
"""For an appliance that is enrolled to call: it may have been started just now, on a busy machine."""
ENROLLED_WITHIN_S = 120
WHO_AM_I = """
import json, pathlib
identity = pathlib.Path("/var/lib/appliance/keys/dashboard.json")
print(json.loads(identity.read_bytes())["appliance_id"] if identity.exists() else "")
"""
"""Its id and nothing more: the token beside it stays where it is."""


def enrol(stack: Stack, dashboard: Dashboard, tell: Callable[[str], None]) -> str:
    """The appliance's id on the dashboard. Enrols it unless it is known there and heard from.

    Raises WorkFailedError when the dashboard hears nothing of it even then.
    """
    enrolled_as = stack.execute("status", "python", "-c", WHO_AM_I).strip()
    known = dashboard.find(f"/v1/appliances/{enrolled_as}") if enrolled_as else None
    if known:
        appliance_id = str(known["appliance"]["id"])
        if known["appliance"]["condition"] != "revoked" and _is_heard(
            dashboard, appliance_id, HEARD_WITHIN_S
        ):
            return appliance_id
        given = dashboard.ask("POST", f"/v1/appliances/{appliance_id}/enrolment")
    else:
        given = _as_new_or_returning(dashboard)
    tell("with a one-time token")
    began = time.time()
    stack.execute("status", "appliance", "enrol", INSIDE, "-", given=f"{given['enrolment_token']}\n")
    if not _is_heard(dashboard, given["appliance_id"], ENROLLED_WITHIN_S, since=began):
        raise WorkFailedError(
            "The appliance has enrolled, but the dashboard hears nothing of it.",
            _problem(stack),
            stack.command("logs", "status", "dashboard"),
        )
    return str(given["appliance_id"])


def _as_new_or_returning(dashboard: Dashboard) -> Any:
    """An enrolment token for an appliance that knows no one here: it is new, or has lost its state."""
    for row in dashboard.ask("GET", "/v1/appliances"):
        if row["name"] == NAME:
            return dashboard.ask("POST", f"/v1/appliances/{row['id']}/enrolment")
    return dashboard.ask("POST", "/v1/appliances", {"name": NAME})


def _is_heard(dashboard: Dashboard, appliance_id: str, seconds: float, *, since: float = 0.0) -> bool:
    give_up = time.monotonic() + seconds
    while True:
        row = dashboard.ask("GET", f"/v1/appliances/{appliance_id}")["appliance"]
        if row["condition"] in ("healthy", "unhealthy") and row["last_seen"] > since:
            return True
        if time.monotonic() > give_up:
            return False
        time.sleep(0.5)


def _problem(stack: Stack) -> str:
    """What the appliance says of its dashboard."""
    with urllib.request.urlopen(f"{stack.address('status')}/status", timeout=30) as answer:
        return str(json.load(answer)["dashboard"]["problem"] or "")
