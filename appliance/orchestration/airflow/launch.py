"""Starts one of Airflow's processes our way: ``python -m appliance.orchestration.airflow.launch NAME``.

``migrate`` brings both databases up to date and ends; ``lower SCHEMA`` turns Airflow's into an older one;
``environment`` prints Airflow's settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from appliance.errors import ApplianceError, ExitCode
from appliance.orchestration.airflow.config import airflow_environment, api_server_address
from appliance.orchestration.airflow.execution_api import call
from appliance.settings.settings import Settings, load_settings

WARM_UP_S = 120
USAGE = (
    "usage: python -m appliance.orchestration.airflow.launch"
    " scheduler|dag-processor|api-server|migrate|lower SCHEMA|environment"
)


def main(arguments: list[str]) -> int:
    """Replace this process by the one that is named; returns only for what ends, or goes wrong."""
    if len(arguments) != (2 if arguments[:1] == ["lower"] else 1):
        sys.stderr.write(USAGE + "\n")
        return ExitCode.REQUEST_WRONG
    try:
        settings = load_settings()
        environment = airflow_environment(settings)
        os.environ.update(environment)
        return _run(arguments, settings, environment)
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code


def _run(arguments: list[str], settings: Settings, environment: dict[str, str]) -> int:
    name = arguments[0]
    airflow = [sys.executable, "-m", "airflow"]
    ours = [sys.executable, "-m", "appliance.orchestration.airflow.patches"]
    if name == "environment":
        for key, value in sorted(environment.items()):
            shown = "…" if key.endswith(("_CONN", "_CONN_ASYNC")) else value
            sys.stdout.write(f"{key}={shown}\n")
        return ExitCode.DONE
    Path(environment["AIRFLOW_HOME"]).mkdir(mode=0o750, parents=True, exist_ok=True)
    if name == "migrate":
        return _migrate(settings, airflow)
    if name == "lower":
        from appliance.orchestration.airflow.lower import lower  # noqa: PLC0415 - only here

        return lower(settings, airflow, arguments[1])
    if name == "scheduler":
        # Task logs are not read over HTTP, so no process serves them.
        os.execv(ours[0], [*ours, "scheduler", "--skip-serve-logs"])  # noqa: S606
    if name == "dag-processor":
        os.execv(airflow[0], [*airflow, "dag-processor"])  # noqa: S606
    if name == "api-server":
        host, port = api_server_address(settings)
        _in_background(lambda: _warm_up(settings))
        served = ["--apps", "execution", "--host", host, "--port", str(port)]
        os.execv(ours[0], [*ours, "api-server", *served])  # noqa: S606
    sys.stderr.write(USAGE + "\n")
    return ExitCode.REQUEST_WRONG


def _migrate(settings: Settings, airflow: list[str]) -> int:
    from appliance.orchestration.airflow import migrated  # noqa: PLC0415 - only here
    from appliance.receipts.book import ReceiptBook  # noqa: PLC0415
    from appliance.store.database import migrate  # noqa: PLC0415
    from appliance.store.status_role import grant  # noqa: PLC0415

    migrate(settings.database_url)
    if not migrated.is_up_to_date(settings):
        status = subprocess.run([*airflow, "db", "migrate"], check=False).returncode  # noqa: S603
        if status != 0:
            return status
        migrated.remember(settings)
    grant(settings.database_url, settings.airflow_database_url)
    # Those who check receipts want the key before the first receipt.
    ReceiptBook(settings.receipts_dir, settings.keys_dir).make_key()
    return ExitCode.DONE


def _in_background(action: object) -> None:
    """Run it in a grandchild, so that the process that this one becomes is not left with a dead child."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    try:
        action()  # type: ignore[operator]
    finally:
        os._exit(0)


def _warm_up(settings: Settings) -> None:
    """Let the api-server build its routes now: the first request takes five seconds, and is no task's."""
    give_up = time.monotonic() + WARM_UP_S
    while time.monotonic() < give_up:
        time.sleep(1)
        try:
            call(settings, "GET", "dag-runs/warm-up/warm-up")
        except ApplianceError:
            continue
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
