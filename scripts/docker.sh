#!/usr/bin/env bash
# Make sure that a Docker engine answers and that `docker compose` is there, installing and starting what is missing.
# Where everything is there already it changes nothing and needs no root.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian.sh

readonly engine_log=/var/log/dockerd-by-hand.log
readonly wait_seconds=60

answers() { docker info >/dev/null 2>&1; }

# has_compose: the plugin, version 2 or later (Debian 12's own docker-compose package is version 1).
has_compose() { [[ "$(docker compose version --short 2>/dev/null)" =~ ^v?([2-9]|[1-9][0-9])\. ]]; }

wait_for_engine() {
    local end=$((SECONDS + $1))
    until answers; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

engine_packages() {
    echo docker.io iptables
    # Debian 13 ships the client, Compose 2 and BuildKit as packages of their own; Debian 12 has them not at all.
    if [ "$(debian_version)" -ge 13 ]; then
        echo docker-cli docker-compose docker-buildx
    fi
}

install_engine() {
    # A client alone says nothing about an engine; dockerd does.
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
        # shellcheck disable=SC2046 # one word a package
        install_packages "the Docker engine" $(engine_packages)
    fi
}

# Everything that the demo would have installed, for users who have to ask an administrator.
packages_to_ask_for() {
    command -v dockerd >/dev/null || engine_packages
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v mmdebstrap >/dev/null || echo mmdebstrap
}

debian_version() {
    # shellcheck source=/dev/null
    (. /etc/os-release && case "${ID:-}" in debian) echo "${VERSION_ID:-13}" ;; *) echo 0 ;; esac)
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        say "Starting Docker through systemd"
        systemctl start docker && wait_for_engine "$wait_seconds" && return
        journalctl --unit docker --no-pager --lines 20 >&2 || true
        stop "The Docker engine does not answer." "systemd was asked to start it; the end of its log is above." \
            "systemctl status docker"
    fi
    if [ -x /etc/init.d/docker ]; then
        say "Starting Docker through its init script"
        if /etc/init.d/docker start >/dev/null 2>&1 && wait_for_engine 10; then
            return
        fi
        say "The init script did not bring it up; starting dockerd itself"
    else
        say "Starting dockerd"
    fi
    setsid dockerd >"$engine_log" 2>&1 </dev/null &
    local pid=$! end=$((SECONDS + wait_seconds))
    until answers; do
        if ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then
            tail -n 20 "$engine_log" >&2
            stop "The Docker engine does not answer." "The end of its log is above; all of it is in $engine_log." \
                "mend what the log names, then run the same command again"
        fi
        sleep 0.5
    done
}

# The mirror that this machine takes its own release of Debian from; the others lie beside it.
own_mirror() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' 2>/dev/null |
        awk -v codename="$codename" '!found && ($1 == codename || $1 ~ /^(old)?stable$/) { print $2; found = 1 }'
}

# Compose 2 for an engine whose distribution does not ship it, taken from Debian 13's archive and checked with
# Debian's own key. It is one static binary that needs only libc, so it goes where Docker looks for plugins and
# no package source is added to this machine.
install_compose() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
    if as_root; then
        plugins=/usr/local/lib/docker/cli-plugins
    fi
    if ! command -v apt-get >/dev/null || [ ! -r "$keyring" ]; then
        stop "docker compose is not installed." "The demo needs Compose version 2 or later." \
            "install the Compose plugin from https://docs.docker.com/compose/install/, then run the same command again"
    fi
    local mirror=${DEBIAN_MIRROR:-$(own_mirror)}
    if [ -z "$mirror" ]; then
        stop "docker compose is not installed." "This machine's package sources name no mirror of Debian to take it from." \
            "set DEBIAN_MIRROR to one, then run the same command again"
    fi
    say "Installing docker compose (Debian 13's docker-compose package) into $plugins"
    local away
    away=$(mktemp -d)
    mkdir -p "$away"/lists/partial "$away"/cache/archives/partial
    touch "$away/status"
    printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$mirror" >"$away/sources.list"
    cat >"$away/apt.conf" <<CONF
Dir::State "$away";
Dir::State::lists "$away/lists";
Dir::State::status "$away/status";
Dir::Cache "$away/cache";
Dir::Etc::SourceList "$away/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "";
CONF
    if ! (
        export APT_CONFIG=$away/apt.conf
        cd "$away" && apt-get update && apt-get download docker-compose && dpkg-deb -x docker-compose_*.deb tree
    ) >"$away/log" 2>&1; then
        tail -n 20 "$away/log" >&2
        stop "docker compose could not be fetched from Debian's archive." "The end of what apt said is above." \
            "install the Compose plugin by hand, or set DEBIAN_MIRROR to a mirror that this machine can reach"
    fi
    mkdir -p "$plugins"
    install -m 0755 "$away/tree/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/docker-compose"
    rm -rf "$away"
}

if ! answers; then
    if [ -n "${DOCKER_HOST:-}" ]; then
        stop "The Docker engine at $DOCKER_HOST does not answer." "DOCKER_HOST names it." \
            "start that engine, or unset DOCKER_HOST to use this machine's"
    fi
    if ! as_root; then
        packages=$(packages_to_ask_for | tr '\n' ' ')
        stop "No Docker engine answers for the user $(id -un)." \
            "It is not installed, or it is not running, or this user is not in the group docker." \
            "as root: ${packages:+apt-get install --no-install-recommends $packages&& }usermod -aG docker $(id -un); then log in again. Or run the same command as root."
    fi
    install_engine
    # The package may have started it already.
    answers || start_engine
fi
has_compose || install_compose
has_compose || stop "docker compose does not work after installing it." "Its version could not be read." \
    "docker compose version"
