"""The same steps in this process, without Airflow or Docker."""
