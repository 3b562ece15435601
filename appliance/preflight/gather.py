"""Gather the facts of this machine, for an appliance that is installed or is about to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from appliance.connections.database import Connection
from appliance.connections.file import load_connections, unchanged_keys
from appliance.errors import ApplianceError
from appliance.keys.keys import KEY_BYTES
from appliance.postgres.sessions.network_checks import check_network
from appliance.preflight.facts import Dashboard, Facts
from appliance.preflight.gather_docker import gather_docker
from appliance.preflight.gather_storage import fsync_ms, gather_disks, gather_keys, gather_ports
from appliance.preflight.gather_system import gather_system, lacking_users, read
from appliance.settings.settings import Settings
from appliance.system.findings import Finding
from appliance.system.http import Fault, fault_of, trusting
from appliance.system.units import USERS

CURRENT = Path("/opt/appliance/current")
_DASHBOARD_WAIT_S = 10


def gather(settings: Settings) -> Facts:
    """All facts, in some seconds. Raises nothing for what cannot be found out; changes nothing."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        dashboard = pool.submit(_dashboard, settings)
        databases = pool.submit(_databases, settings)
        docker = pool.submit(gather_docker)
        return Facts(
            installed=CURRENT.exists(),
            system=gather_system(),
            lacking_users=lacking_users(USERS),
            disks=gather_disks(
                (
                    settings.state_dir,
                    settings.log_dir,
                    CURRENT.parent,
                    Path("/var/lib/docker"),
                    Path("/var/lib/postgresql"),
                )
            ),
            fsync_ms=fsync_ms(settings.state_dir),
            ports=gather_ports(_ports(settings)),
            keys=gather_keys(settings.state_dir / "keys", {settings.mask_key_file.name: KEY_BYTES}),
            docker=docker.result(),
            dashboard=dashboard.result(),
            databases=databases.result(),
        )


def _ports(settings: Settings) -> list[tuple[int, str, str]]:
    api = urlsplit(settings.airflow_execution_api_url).port or 8080
    return [
        (settings.status.port, "the status service", "choose another status_port"),
        (api, "Airflow's execution API", "choose another in airflow_execution_api_url"),
    ]


def _dashboard(settings: Settings) -> Dashboard | None:
    url = settings.dashboard_url
    if url is None:
        return None
    problem, its_time = "", None
    try:
        context = trusting(settings.dashboard_ca_file)
        proxy = _proxy(settings.config_dir / "proxy.env")
        with (
            httpx.Client(verify=context, timeout=_DASHBOARD_WAIT_S, proxy=proxy) as client,
            client.stream("GET", url) as answer,
        ):
            date = answer.headers.get("date")
        its_time = parsedate_to_datetime(date) if date else None
    except httpx.HTTPError as error:
        fault = fault_of(error)
        problem = type(error).__name__ if fault is Fault.BROKEN else fault.value
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    return Dashboard(url, problem, its_time, datetime.now(UTC))


def _proxy(file: Path) -> str | None:
    """What the services' units read; without the file, httpx takes the environment's."""
    for line in read(str(file)).splitlines():
        key, _, value = line.partition("=")
        if key == "HTTPS_PROXY":
            return value.strip().strip('"')
    return None


def _databases(settings: Settings) -> tuple[tuple[str, tuple[Finding, ...]], ...] | None:
    try:
        known = load_connections(settings.connections_file)
    except ApplianceError:
        return None
    filled = {name: each for name, each in known.items() if not unchanged_keys(each)}

    def looked_at(name: str, connection: Connection) -> tuple[str, tuple[Finding, ...]]:
        return name, tuple(check_network(name, connection))

    with ThreadPoolExecutor(max_workers=8) as pool:
        return tuple(pool.map(looked_at, filled, filled.values()))
