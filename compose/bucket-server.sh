#!/bin/sh
# The demo's S3 server: rclone, over TLS, with one bucket. Its only pair of keys stands in a file, and in no command line.
set -eu
mkdir -p /buckets/lake
# A list of pairs, as CSV: a pair has a comma in it.
RCLONE_AUTH_KEY=$(printf '"AKIADEMO,%s"' "$(cat /passwords/secret_access_key)")
export RCLONE_AUTH_KEY
exec rclone serve s3 --config /dev/null --addr :9000 --cert /passwords/server.pem --key /passwords/server.key /buckets
