#!/usr/bin/env bash
# Builds the S3 server that tests deliver to, build/tools/usr/bin/versitygw, if there is Go to do it with.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

version=v1.8.0
tools=$PWD/build/tools/usr/bin
command -v versitygw >/dev/null || [ -x "$tools/versitygw" ] && exit
if ! command -v go >/dev/null; then
    say "There is no Go here to build versitygw with: the tests of buckets are skipped"
    exit
fi
say "Building versitygw, the S3 server of the tests"
mkdir -p "$tools"
# Without optimisation it compiles in two thirds of the time, and what tests upload is small.
GOBIN=$tools go install -gcflags='all=-N -l' -ldflags=-w "github.com/versity/versitygw/cmd/versitygw@$version" \
    >build/versitygw.log 2>&1 ||
    say "It could not be built; build/versitygw.log says why. The tests of buckets are skipped"
