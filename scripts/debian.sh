# Sourced by the other scripts: saying things, stopping with a reason, and installing Debian packages.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# stop WHAT WHY NEXT: every message says what happened, why, and what to type.
stop() {
    say "$1"
    say "$2"
    say "Next: $3"
    exit 1
}

as_root() { [ "$(id -u)" -eq 0 ]; }

# install_packages WHAT-FOR PACKAGE…: says first what it will install; without root, says what to type instead.
install_packages() {
    local purpose=$1
    shift
    if ! as_root; then
        stop "$purpose needs Debian packages that are not installed: $*" \
            "Installing them takes root, and this is user $(id -un)." \
            "sudo apt-get install --no-install-recommends $*"
    fi
    command -v apt-get >/dev/null ||
        stop "$purpose needs the packages $*" "This machine has no apt-get to install them with." \
            "install them the way this system does, then run the same command again"
    say "Installing from Debian, for $purpose: $*"
    local log
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
        >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        stop "apt-get could not install $*" "The end of what it said is above; all of it is in $log." \
            "mend the package sources, then run the same command again"
    fi
    rm -f "$log"
}
