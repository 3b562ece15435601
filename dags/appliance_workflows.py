"""All that Airflow loads: the DAGs of this appliance's workflow files."""

from appliance.orchestration.airflow.dags import build_dags

globals().update(build_dags())
