"""``python -m appliance.status``: serve until ended."""

from __future__ import annotations

import sys

import uvicorn

from appliance.errors import ApplianceError
from appliance.settings import load_settings
from appliance.status.reporter import Reporter
from appliance.status.service import create_app
from appliance.status.state import State
from appliance.status.upkeep import Upkeep


def main() -> int:
    """Read the settings, start the upkeep, serve."""
    try:
        settings = load_settings()
        state = State(settings)
        app = create_app(settings, state)
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    reporter = Reporter(settings, state)
    state.dashboard = reporter.describe
    Upkeep(settings).start()
    reporter.start()
    uvicorn.run(
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
