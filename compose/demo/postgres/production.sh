# At the first start of the sample's production server: the shop's owner, and a role that may only read.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres <<'SQL'
\set password `cat /passwords/reader`
CREATE ROLE shop;
CREATE ROLE reader LOGIN PASSWORD :'password';
CREATE DATABASE shop OWNER shop;
SQL
