"""How Airflow is set up on an appliance: the one place, used in compose and on a VM alike.

``python -m appliance.orchestration.airflow.launch`` applies it. Each value that differs from Airflow's own
says why.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from psycopg.conninfo import conninfo_to_dict

import appliance
from appliance.errors import WrongRequestError
from appliance.settings.settings import Settings

IDLE_TRANSACTION = "idle_in_transaction_session_timeout=120s"
PLUGINS = Path(__file__).with_name("plugin")
DAGS_VARIABLE = "APPLIANCE_DAGS_DIR"
_CHATTY = (
    "airflow.dag_processing.dagbag.BundleDagBag",
    "airflow.serialization.definitions.dag",
    "airflow.models.dag",
    "airflow.jobs.scheduler_job_runner.SchedulerJobRunner",
    "http.access",
)
_NEVER_S = str(10 * 365 * 24 * 3600)


def dags_folder() -> Path:
    """Where ``dags/`` was installed: ``APPLIANCE_DAGS_DIR``, or beside the package in a checkout."""
    named = os.environ.get(DAGS_VARIABLE)
    return Path(named) if named else Path(appliance.__file__).resolve().parents[1] / "dags"


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for every Airflow process here. No secret but the database's address."""
    if settings.airflow_jwt_secret_file is None:
        raise WrongRequestError(
            "airflow_jwt_secret_file is not set.",
            "Airflow's processes, and what starts a run, sign their calls with the secret in that file.",
            "Set it in appliance.yaml, or APPLIANCE_AIRFLOW_JWT_SECRET_FILE.",
        )
    secret_command = f"cat {shlex.quote(str(settings.airflow_jwt_secret_file))}"
    # Should a process be killed and its connection live on, the locks it held must not.
    database = sqlalchemy_url(settings.airflow_database_url, options=f"-c {IDLE_TRANSACTION}")
    options = {
        "core": _core(settings),
        "database": {
            "sql_alchemy_conn": database,
            # Without it every command asks for asyncpg.
            "sql_alchemy_conn_async": database,
            "sql_alchemy_pool_size": "3",
        },
        "api": {"secret_key_cmd": secret_command, "expose_config": "False"},
        "api_auth": {"jwt_secret_cmd": secret_command},
        "scheduler": _scheduler(),
        "dag_processor": _dag_processor(),
        "workers": {
            # The supervisor of a finished task holds its slot until its next heartbeat; and that many more
            # heartbeats must fail before a task is given up, so that the api-server may restart under it.
            "min_heartbeat_interval": "1",
            "max_failed_heartbeats": "90",
            # The api-server's first answer after its start takes five seconds, Airflow's own limit.
            "execution_api_timeout": "30",
            "execution_api_retry_wait_max": "5",
            "missing_dag_retry_delay": "5",
        },
        "logging": {
            "base_log_folder": str(settings.log_dir / "tasks"),
            "dag_processor_child_process_log_directory": str(settings.log_dir / "dag-processor"),
            "dag_processor_log_target": "stdout",
            "colored_console_log": "False",
            # A line for each look at the files, every five seconds, would be most of the journal.
            "namespace_levels": " ".join(f"{name}=WARNING" for name in _CHATTY),
            "file_task_handler_new_folder_permissions": "0o750",
            "file_task_handler_new_file_permissions": "0o640",
        },
        "usage_data_collection": {"enabled": "False"},
    }
    return {
        "AIRFLOW_HOME": str(settings.state_dir / "airflow"),
        "PYTHONUNBUFFERED": "1",
    } | {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, keys in options.items()
        for key, value in keys.items()
    }


def _core(settings: Settings) -> dict[str, str]:
    return {
        "dags_folder": str(dags_folder()),
        "plugins_folder": str(PLUGINS),
        "executor": "appliance.orchestration.airflow.executor.OnDemandLocalExecutor",
        "load_examples": "False",
        # One more than may copy.
        "parallelism": str(settings.steps.max_parallel + 1),
        "max_active_runs_per_dag": "1",
        "max_map_length": "4096",
        "dags_are_paused_at_creation": "False",
        # A changed workflow is to be live soon.
        "min_serialized_dag_update_interval": "2",
        "dag_discovery_safe_mode": "False",
        "execution_api_server_url": settings.airflow_execution_api_url,
        "lazy_discover_providers": "True",
        "allowed_deserialization_classes": "",
        "simple_auth_manager_users": "",
        "fernet_key": "",
    }


def _scheduler() -> dict[str, str]:
    return {
        # While nothing runs; appliance.orchestration.pace makes it quicker while something does.
        "scheduler_idle_sleep_time": "1",
        "enable_health_check": "False",
        # A killed scheduler's tasks are found again this soon, not after five minutes.
        "scheduler_heartbeat_sec": "5",
        "scheduler_health_check_threshold": "15",
        "orphaned_tasks_check_interval": "10",
        "task_instance_heartbeat_timeout": "60",
        "task_instance_heartbeat_timeout_detection_interval": "10",
        # A removed workflow goes away within seconds.
        "parsing_cleanup_interval": "5",
        "task_queued_timeout": "120",
        "task_queued_timeout_check_interval": "15",
    }


def _dag_processor() -> dict[str, str]:
    return {
        "min_file_process_interval": "5",
        "refresh_interval": "60",
        "stale_dag_threshold": "10",
        "bundle_refresh_check_interval": "5",
        "parsing_processes": "1",
        "print_stats_interval": _NEVER_S,
        "disable_bundle_versioning": "True",
        "dag_bundle_storage_path": str(Path(tempfile.gettempdir()) / "appliance-dag-bundles"),
    }


def sqlalchemy_url(conninfo: str, **more: str) -> str:
    """A libpq connection string or URL as SQLAlchemy's, for psycopg 3; ``more`` are parameters it may lack.

    User and password stand where SQLAlchemy hides them in logs; a socket's folder can only be a parameter.
    """
    parsed = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    parameters = more | parsed
    dbname = quote(parameters.pop("dbname", ""), safe="")
    credentials = quote(parameters.pop("user", ""), safe="")
    if "password" in parameters:
        credentials += ":" + quote(parameters.pop("password"), safe="")
    address = ""
    if not parameters.get("host", "/").startswith("/") and "," not in parameters["host"]:
        address = parameters.pop("host") + (f":{parameters.pop('port')}" if "port" in parameters else "")
    place = f"{credentials}@{address}" if credentials else address
    return f"postgresql+psycopg://{place}/{dbname}" + (f"?{urlencode(parameters)}" if parameters else "")


def api_server_address(settings: Settings) -> tuple[str, int]:
    """(host, port) that the api-server binds: loopback, unless others reach it by another name."""
    parts = urlsplit(settings.airflow_execution_api_url)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return ("127.0.0.1" if loopback else "0.0.0.0"), parts.port or 8080  # noqa: S104 - a container's own network
