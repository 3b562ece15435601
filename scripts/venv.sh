#!/usr/bin/env bash
# Make .venv, or bring it up to date, from one of the hash-locked files: scripts/venv.sh engine|test
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

set_name=$1
lock=requirements/$set_name.txt
python=${PYTHON:-python3}
stamp=.venv/.installed-$set_name

wanted=$(cat "$lock" requirements/build.txt pyproject.toml scripts/venv.sh | sha256sum)
if [ -x .venv/bin/appliance ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

command -v "$python" >/dev/null || install_packages "the command line" python3 python3-venv
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
    stop "$python is $("$python" --version 2>&1)." "The appliance runs on Python 3.11, 3.12 and 3.13." \
        "make install PYTHON=/path/to/python3.13"
fi
# Debian splits ensurepip out of python3; a virtual environment without it has no pip.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    install_packages "the virtual environment" python3-venv
fi

# A virtual environment whose Python has since been removed or upgraded away cannot be mended, only made again.
if ! .venv/bin/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
fi

say "Installing the $set_name packages into .venv (hashes checked against $lock)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --requirement "$lock" --requirement requirements/build.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --no-deps --no-build-isolation --no-index --editable .
printf '%s\n' "$wanted" >"$stamp"
say "The command line is at .venv/bin/appliance"
