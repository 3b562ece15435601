#!/usr/bin/env bash
# Installs a server that tests use into build/tools, if there is Node to run it: "azurite", Microsoft's own
# stand-in for Azure Blob Storage, or "oidc-provider", an OpenID Connect provider to sign in through.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

package=${1:?which: azurite or oidc-provider}
case $package in
azurite) version=3.37.0 tests="buckets at Azure" options=(--omit optional) ;;
oidc-provider) version=9.13.3 tests="sign-in through it" options=() ;;
*) say "No test needs $package" && exit 2 ;;
esac

tools=$PWD/build/tools/$package
# The last file that npm writes.
[ -e "$tools/node_modules/.package-lock.json" ] && exit
if ! command -v npm >/dev/null || ! node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
    say "There is no Node 20 with npm here to run $package: the tests of $tests are skipped"
    exit
fi
say "Installing $package, for the tests of $tests"
mkdir -p "$tools"
npm install --prefix "$tools" --no-audit --no-fund --ignore-scripts "${options[@]}" "$package@$version" \
    >"build/$package.log" 2>&1 ||
    say "It could not be installed; build/$package.log says why. The tests of $tests are skipped"
