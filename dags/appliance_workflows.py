"""All that Airflow loads: the DAGs of this appliance's workflow files."""

from appliance.orchestration.dag_builder import build_dags

globals().update(build_dags())
