# At the first start of the appliance's own server. The user `appliance` on the socket is that role.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres <<'SQL'
CREATE ROLE appliance LOGIN;
CREATE DATABASE appliance OWNER appliance;
CREATE DATABASE airflow OWNER appliance;
SQL
