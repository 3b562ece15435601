#!/usr/bin/env bash
# Every check there is, on a machine that has nothing but Python, git and make: installs what the tests need,
# looks at the code, then runs all tests on every core. The last line is pytest's own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

scripts/docker.sh
scripts/base-image.sh

# Real servers, a real browser, and what a host is provisioned and looked at with.
missing=()
for package in postgresql postgresql-contrib openssl openssh-client chromium chromium-driver shellcheck procps \
    mmdebstrap debian-archive-keyring pgbouncer; do
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
        missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] || install_packages "the tests" "${missing[@]}"

scripts/venv.sh test

failed=()
check() {
    local name=$1
    shift
    say "== $name"
    "$@" >&2 || failed+=("$name")
}
check "ruff check" .venv/bin/ruff check .
check "ruff format" .venv/bin/ruff format --check .
check "mypy --strict" .venv/bin/mypy

say "== pytest"
status=0
.venv/bin/pytest --numprocesses logical --dist loadscope --no-loadscope-reorder --color no --durations 15 "$@" || status=$?
if [ "${#failed[@]}" -gt 0 ]; then
    say "These checks failed, above the tests: ${failed[*]}"
    exit 1
fi
exit "$status"
