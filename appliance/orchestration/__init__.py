"""How Airflow runs a workflow. The only package that imports Airflow."""
