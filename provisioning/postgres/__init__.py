"""The appliance's own PostgreSQL cluster: Airflow's metadata, runs and the outbox."""
