#!/bin/sh
# Inside an image build: install requirements/NAME.txt into a virtual environment, with hashes checked.
set -eu
lock=/requirements/$1.txt
venv=${2:-/opt/appliance/venv}

if [ -s /run/secrets/extra_ca ]; then
    export PIP_CERT=/run/secrets/extra_ca
fi
if [ -s /run/secrets/pip_conf ]; then
    export PIP_CONFIG_FILE=/run/secrets/pip_conf
fi
exec pip --python "$venv/bin/python" install --no-cache-dir --require-hashes --requirement "$lock"
