"""What is noted of a run and its steps when Airflow changes their state."""
