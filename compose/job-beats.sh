#!/bin/sh
# Whether Airflow's job of this type, in this container, has written a heartbeat within half a minute.
# The very loop that schedules or parses writes it, so a hung loop stops it.
set -eu
psql --no-psqlrc --tuples-only --no-align --dbname "${APPLIANCE_AIRFLOW_DATABASE_URL:-postgresql:///airflow}" \
    --command "SELECT 'beats' FROM job WHERE job_type = '$1' AND state = 'running'
               AND hostname = '$(hostname)' AND latest_heartbeat > now() - interval '30 seconds'" |
    grep -q beats
