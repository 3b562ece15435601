"""``/metrics``: the fleet as Prometheus reads it, for a token that may look."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from appliance import __version__
from appliance.dashboard.store.access.rows import TokenRow
from appliance.dashboard.store.access.tokens import tokens
from appliance.dashboard.store.appliances.rows import FleetRow
from appliance.dashboard.store.run_history.workflow_ends import WorkflowEnd, workflow_ends
from appliance.dashboard.web.access import api_role
from appliance.dashboard.web.context import Context, context_of
from appliance.dashboard.web.overview import fleet_rows
from appliance.system.prometheus import CONTENT_TYPE, Metric, gauge, metrics_page

router = APIRouter(dependencies=[Depends(api_role("viewer"))])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(context: Annotated[Context, Depends(context_of)]) -> PlainTextResponse:
    """What the fleet's page says of each appliance, how each workflow fares there, and when tokens expire."""
    rows = fleet_rows(context, "")
    with context.database.read() as session:
        ends = workflow_ends(session)
        given = tokens(session)
    page = metrics_page(chain(_fleet(rows, ends), _expiries(given)))
    return PlainTextResponse(page, media_type=CONTENT_TYPE)


def _fleet(rows: list[FleetRow], ends: list[WorkflowEnd]) -> Iterator[Metric]:
    of = [({"appliance": row.name}, row) for row in rows]
    yield gauge("dashboard_build_info", "The release.", [({"version": __version__}, 1)])
    yield gauge(
        "dashboard_appliance_info",
        "Every appliance, and its release.",
        [({**labels, "version": row.version or ""}, 1) for labels, row in of],
    )
    yield gauge(
        "dashboard_appliance_up",
        "Whether it calls in and every part of it works.",
        [(labels, row.condition == "healthy") for labels, row in of if row.last_seen is not None],
    )
    yield gauge(
        "dashboard_appliance_last_contact_timestamp_seconds",
        "When it last called.",
        [(labels, row.last_seen) for labels, row in of],
    )
    yield gauge("dashboard_appliance_runs", "Runs under way.", [(labels, row.running) for labels, row in of])
    yield gauge(
        "dashboard_appliance_refused_workflows",
        "Workflows that it refuses or cannot read.",
        [(labels, row.refused) for labels, row in of],
    )
    each = [({"appliance": end.appliance, "workflow": end.workflow_id}, end) for end in ends]
    yield gauge(
        "dashboard_workflow_last_run_success",
        "Whether the newest run has neither failed nor been refused.",
        [(labels, not end.is_failing) for labels, end in each],
    )
    yield gauge(
        "dashboard_workflow_last_success_timestamp_seconds",
        "When a run of it last succeeded.",
        [(labels, end.last_success) for labels, end in each],
    )


def _expiries(given: list[TokenRow]) -> Iterator[Metric]:
    # Two may have one name.
    yield gauge(
        "dashboard_api_token_expires_timestamp_seconds",
        "When an API token expires.",
        [({"name": row.name, "id": row.id}, row.expires_at) for row in given],
    )
