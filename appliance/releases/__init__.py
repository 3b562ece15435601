"""Moving from one release of the appliance to another, and back where the other does not prove itself.

Runs as root: from appliance-update.service for what the dashboard wants, or from ``appliance release use``.
An update is a small state machine whose state is kept on disk, so that one that was killed anywhere is taken
up again from there. Nothing here imports Airflow or speaks to the cloud.
"""
