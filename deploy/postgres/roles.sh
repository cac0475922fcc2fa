#!/bin/sh
# Runs once, when the server makes its folder: the two roles, and the database that the first one owns.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$OWNER_PASSWORD" --set app_password="$APP_PASSWORD" <<'SQL'
CREATE ROLE pcap_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE pcap_app LOGIN PASSWORD :'app_password';
CREATE DATABASE pcap OWNER pcap_owner;
SQL
