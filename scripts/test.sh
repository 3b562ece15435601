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

# The package would start a Prometheus here: only its checker is wanted.
if ! command -v promtool >/dev/null && [ ! -x build/tools/usr/bin/promtool ]; then
    say "Fetching promtool, which checks the alert rules"
    fetched=$(mktemp -d)
    (cd "$fetched" && apt-get download --quiet prometheus 2>/dev/null)
    mkdir -p build/tools
    dpkg-deb --fsys-tarfile "$fetched"/prometheus_*.deb | tar --extract --directory build/tools ./usr/bin/promtool
    rm -r "$fetched"
fi
PATH=$PATH:$PWD/build/tools/usr/bin

# Hundreds of small packages, of which only two tests have need: meanwhile the code is looked at.
scripts/azurite.sh &
azurite=$!
scripts/venv.sh test
scripts/bucket-server.sh
scripts/openid-provider.sh

checks=0
# With tests named on the command line, only they run.
[ "$#" -gt 0 ] || scripts/check.sh || checks=$?

wait "$azurite"
say "== pytest"
status=0
.venv/bin/pytest --numprocesses logical --dist loadscope --no-loadscope-reorder --color no --durations 15 "$@" || status=$?
if [ "$checks" -ne 0 ]; then
    say "A check failed, above the tests. Next: make check"
    exit 1
fi
exit "$status"
