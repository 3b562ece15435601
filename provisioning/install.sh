#!/bin/sh
# Turn this machine into an appliance, from a release bundle that lies on it:
#
#   sudo sh install.sh appliance-1.2.3-x86_64.tar SHA256 [--data NAME=VALUE]...
#
# Nothing of the bundle runs before the whole of it was found to have that SHA-256. Everything after that is the
# very deploy that runs over ssh, pointed at this machine; --data sets its knobs.
set -eu
stop() { printf '%s\nNext: %s\n' "$1" "$2" >&2; exit 2; }

[ $# -ge 2 ] || stop "A bundle and its SHA-256 are needed." "sh install.sh BUNDLE SHA256 [--data NAME=VALUE]..."
bundle=$(readlink -f "$1") sha256=$2
shift 2
[ "$(id -u)" = 0 ] || stop "Only root can install the appliance." "put sudo before the command"
[ -f "$bundle" ] || stop "There is no file $bundle." "fetch the bundle first"
printf '%s  %s\n' "$sha256" "$bundle" | sha256sum --check --status \
    || stop "$bundle does not have the SHA-256 that was given." "fetch it again, and compare with the dashboard"
command -v python3 >/dev/null || stop "python3 is missing." "apt-get install python3, then run this again"

away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
tar -xf "$bundle" -C "$away" manifest.json provisioning/release/unpack.py
python3 "$away/provisioning/release/unpack.py" "$bundle" --sha256 "$sha256"
version=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["version"])' "$away/manifest.json")
release=/opt/appliance/releases/$version
cd "$release"
"$release/venv/bin/pyinfra" -y @local provisioning/deploy.py --data "release_bundle=$bundle" "$@"
