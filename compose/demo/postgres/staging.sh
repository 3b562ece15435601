# At the first start of the staging server: a role that may create databases, and owns none yet.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres <<'SQL'
\set password `cat /passwords/twin_owner`
CREATE ROLE twin_owner LOGIN CREATEDB PASSWORD :'password';
SQL
