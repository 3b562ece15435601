#!/usr/bin/env bash
# Measure the appliance beside what one does by hand, on servers and data made for it and removed afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

scripts/docker.sh
scripts/base-image.sh
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || install_packages "the measurements" postgresql
scripts/venv.sh test
scripts/bucket-server.sh
.venv/bin/python -m bench "$@"
.venv/bin/python -m bench.many
printf '\n'
.venv/bin/python -m bench.idle
printf '\n'
.venv/bin/python -m bench.dashboard_load
printf '\n'
.venv/bin/python -m bench.status_start
