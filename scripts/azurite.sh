#!/usr/bin/env bash
# Installs Azurite, Microsoft's own stand-in for Azure Blob Storage, build/tools/azurite, if there is Node to run it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

version=3.37.0
tools=$PWD/build/tools/azurite
[ -e "$tools/node_modules/azurite/dist/src/blob/main.js" ] && exit
if ! command -v npm >/dev/null || ! node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    say "There is no Node 20 with npm here to run Azurite: the tests of buckets at Azure are skipped"
    exit
fi
say "Installing Azurite, which the tests of buckets at Azure deliver to"
mkdir -p "$tools"
npm install --prefix "$tools" --no-audit --no-fund --ignore-scripts --omit optional "azurite@$version" \
    >build/azurite.log 2>&1 ||
    say "It could not be installed; build/azurite.log says why. The tests of buckets at Azure are skipped"
