"""Prints what a supervisor needs to know of the settings, as JSON: the one module here that reads them."""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

from appliance.errors import ApplianceError
from appliance.settings.settings import load_settings
from appliance.supervision.supervisor_settings import SupervisorSettings


def main() -> int:
    """Print one JSON object; a wrong settings file is said on stderr."""
    try:
        settings = load_settings()
    except ApplianceError as error:
        sys.stderr.write(error.text() + "\n")
        return error.exit_code
    read = SupervisorSettings(
        airflow_database=settings.airflow_database_url,
        execution_api_port=urlsplit(settings.airflow_execution_api_url).port or 8080,
        workflow_folders=[str(folder) for folder in settings.workflow_dirs],
        policy_file=str(settings.policy_file),
        state_dir=str(settings.state_dir),
        runtime_dir=str(settings.runtime_dir),
        jwt_secret_file=str(settings.airflow_jwt_secret_file or ""),
        status_host=settings.status.host,
        status_port=settings.status.port,
        status_tls=settings.status.tls_certificate is not None,
    )
    sys.stdout.write(json.dumps(read._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
