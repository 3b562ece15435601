"""What a supervisor needs to know of the settings, on its way out of the process that reads them."""

from __future__ import annotations

from typing import NamedTuple


class SupervisorSettings(NamedTuple):
    """Plain texts and numbers; a named tuple, because it needs no module that a supervisor has not loaded."""

    airflow_database: str
    execution_api_port: int
    workflow_folders: list[str]
    policy_file: str
    state_dir: str
    runtime_dir: str
    jwt_secret_file: str
    """Empty where the settings name none."""
    status_host: str
    status_port: int
    status_tls: bool
