"""The proof that a release works: a tiny run through Airflow and Docker, against a server made for it."""
