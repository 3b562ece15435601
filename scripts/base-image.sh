#!/usr/bin/env bash
# Make sure that a bare Debian's image is there: local, else pulled, else made from Debian's archive.
# By default it is the one that all images here are built on; BASE names another.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly base=${BASE:-debian:trixie-slim}
# Left empty, mmdebstrap takes Debian's own mirrors, the security updates with them.
readonly mirror=${DEBIAN_MIRROR:-}

if docker image inspect "$base" >/dev/null 2>&1; then
    exit 0
fi
say "Fetching the base image $base"
if reason=$(docker pull --quiet "$base" 2>&1); then
    exit 0
fi
codename=${base#debian:}
codename=${codename%-slim}
if [ "$base" != "debian:$codename-slim" ]; then
    stop "The base image $base could not be fetched." "${reason##*$'\n'}" \
        "check BASE, or leave it unset to use debian:trixie-slim"
fi
say "No registry answers; making $base from Debian's own archive with mmdebstrap"
command -v mmdebstrap >/dev/null || install_packages "the base image" mmdebstrap debian-archive-keyring
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
if ! mmdebstrap --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$codename" "$away/base.tar" ${mirror:+"$mirror"} >"$away/log" 2>&1; then
    tail -n 20 "$away/log" >&2
    stop "The base image could not be made." "The end of what mmdebstrap said is above." \
        "set DEBIAN_MIRROR to a mirror that this machine can reach, or BASE to an image that it has"
fi
docker import --message "Debian $codename, minimal, made with mmdebstrap" --change 'CMD ["bash"]' \
    "$away/base.tar" "$base" >/dev/null
