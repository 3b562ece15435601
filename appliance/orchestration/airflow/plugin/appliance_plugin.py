"""Loads the appliance's listeners into Airflow, and its operators into the processes that fork tasks.

What is imported here is there in every task and every parse of the DAG file without being imported again.
"""

from __future__ import annotations

import sys

from airflow.plugins_manager import AirflowPlugin

from appliance.orchestration.airflow.listeners.run_listener import RunListener
from appliance.orchestration.airflow.listeners.step_listener import StepListener

if {"scheduler", "dag-processor"} & set(sys.argv):
    import airflow.sdk.execution_time.supervisor  # noqa: F401 - each worker would at its first task

    import appliance.orchestration.airflow.dags  # noqa: F401


class AppliancePlugin(AirflowPlugin):
    """The listeners; one of each for the process."""

    name = "appliance"
    listeners = [RunListener(), StepListener()]  # noqa: RUF012 - as Airflow declares it
