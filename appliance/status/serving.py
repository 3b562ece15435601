"""Starts the status service: the page first, then what goes on behind it."""

from __future__ import annotations

import sys
import threading
import time

from uvicorn.config import Config
from uvicorn.server import Server

from appliance.errors import ApplianceError
from appliance.settings.settings import Settings, load_settings
from appliance.status.service import create_app
from appliance.status.state import State

_LOOK_S = 0.05


def serve() -> int:
    """Read the settings and answer until ended; the exit status."""
    try:
        settings = load_settings()
        state = State(settings)
        app = create_app(settings, state)
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    server = Server(
        Config(
            app,
            ssl_certfile=settings.status.tls_certificate,
            ssl_keyfile=settings.status.tls_key,
            server_header=False,
            host=settings.status.host,
            port=settings.status.port,
            access_log=False,
            log_level="warning",
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
        )
    )
    threading.Thread(
        target=_work_behind, args=(settings, state, server), name="behind the page", daemon=True
    ).start()
    server.run()
    return 0 if server.started else 1


def _work_behind(settings: Settings, state: State, server: Server) -> None:
    """Upkeep and reporting, once the page answers: loading them must not keep anybody waiting."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(_LOOK_S)
    from appliance.cloud.reporter import Reporter  # noqa: PLC0415

    if not settings.is_split:
        from appliance.status.disk_watch import DiskWatch  # noqa: PLC0415
        from appliance.status.reconcile_loop import ReconcileLoop  # noqa: PLC0415

        DiskWatch(settings).background.start()
        ReconcileLoop(settings).background.start()
    if settings.notify.addresses:
        from appliance.status.notifications.notifier import Notifier  # noqa: PLC0415

        Notifier(settings, state.report).background.start()
    if settings.traces_endpoint:
        from appliance.status.traces.sender import TraceSender  # noqa: PLC0415

        TraceSender(settings, state).background.start()
    reporter = Reporter(settings, state)
    state.dashboard = reporter.describe
    reporter.background.start()
