#!/usr/bin/env bash
# Every check there is, on a machine that has nothing but Python, git and make: installs what the tests need,
# looks at the code, then runs all tests on every core. The last line is pytest's own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

# Servers that tests talk to: one is compiled, two are hundreds of small packages, and three are old, beside all
# that follows.
beside=()
for server in bucket-server.sh "node-server.sh azurite" "node-server.sh oidc-provider" older-postgres.sh; do
    # shellcheck disable=SC2086 # a script, and which of its servers
    scripts/$server &
    beside+=("$!")
done

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

scripts/venv.sh test

# With tests named on the command line, only they run.
checking=
if [ "$#" -eq 0 ]; then
    # Beside the tests, which often wait for something; what it says comes in one piece.
    { said=$(scripts/check.sh 2>&1) && found=0 || found=$?; printf '%s\n' "$said" >&2; exit "$found"; } &
    checking=$!
fi

for pid in "${beside[@]}"; do
    wait "$pid"
done
say "== pytest"
status=0
# One worker more than there are cores: most of the time one of them waits, for a host or a stack that starts.
.venv/bin/pytest --numprocesses "$(($(nproc) + 1))" --dist loadscope --no-loadscope-reorder --color no \
    --durations 15 "$@" || status=$?
if [ -n "$checking" ] && ! wait "$checking"; then
    say "A check failed, above. Next: make check"
    exit 1
fi
exit "$status"
