#!/usr/bin/env bash
# Installs the OpenID Connect provider that tests sign in through, build/tools/openid, if there is Node to run it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

version=9.13.3
tools=$PWD/build/tools/openid
[ -e "$tools/node_modules/oidc-provider/package.json" ] && exit
if ! command -v npm >/dev/null || ! node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    say "There is no Node 20 with npm here to run oidc-provider: the tests of sign-in through it are skipped"
    exit
fi
say "Installing oidc-provider, the OpenID Connect provider of the tests"
mkdir -p "$tools"
npm install --prefix "$tools" --no-audit --no-fund --ignore-scripts "oidc-provider@$version" \
    >build/openid-provider.log 2>&1 ||
    say "It could not be installed; build/openid-provider.log says why. The tests of sign-in through it are skipped"
