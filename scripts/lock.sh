#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml. Pins that still fit are kept unless UPGRADE=1.
#
# test.txt holds everything; every other file is resolved against it, so that no two of them disagree.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

uv=${UV:-}
if [ -z "$uv" ]; then
    away=$(mktemp -d)
    trap 'rm -rf "$away"' EXIT
    "${PYTHON:-python3}" -m venv "$away"
    "$away/bin/pip" install --quiet --disable-pip-version-check uv
    uv=$away/bin/uv
fi

compile() {
    local out=requirements/$1.txt
    shift
    say "Locking $out"
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        ${UPGRADE:+--upgrade} --output-file "$out" "$@"
}

compile test pyproject.toml requirements/build.in --all-extras
compile engine pyproject.toml --constraint requirements/test.txt
compile build requirements/build.in --constraint requirements/test.txt
compile postgresql requirements/postgresql.in --constraint requirements/test.txt
compile bucket-server requirements/bucket-server.in --constraint requirements/test.txt
for extra in orchestration status dashboard parquet buckets rehearsal provisioning; do
    compile "$extra" pyproject.toml --extra "$extra" --constraint requirements/test.txt
done
