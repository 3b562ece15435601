#!/bin/sh
# Start PostgreSQL; at the very first start, make the cluster and run /init/*.sh against it, before anyone can reach it.
#
# On the Unix socket a user is the role of the same name; over TCP everyone needs a password.
# Further arguments are the server's, as in: -c max_connections=50
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # A first start that was cut off leaves half a cluster: build aside, and rename only what is whole.
    unfinished=$PGDATA/unfinished
    rm -rf "$unfinished"
    initdb --pgdata "$unfinished" --username postgres --encoding UTF8 --data-checksums \
        --locale-provider "${POSTGRES_LOCALE_PROVIDER:-builtin}" --locale C.UTF-8 \
        ${POSTGRES_ICU_LOCALE:+--icu-locale "$POSTGRES_ICU_LOCALE"} \
        --auth-local peer --auth-host scram-sha-256 --no-instructions >/dev/null
    echo 'host all all all scram-sha-256' >>"$unfinished/pg_hba.conf"
    # A socket of its own: who waits for this server must not take the one that only initialises for it.
    export PGHOST=/tmp
    pg_ctl --pgdata "$unfinished" --wait --silent --log /dev/stderr start \
        --options "-c listen_addresses='' -c unix_socket_directories=$PGHOST -c fsync=off"
    for script in /init/*.sh; do
        if [ -e "$script" ]; then
            sh -eu "$script"
        fi
    done
    pg_ctl --pgdata "$unfinished" --wait --silent --mode fast stop
    # initdb's files were written with fsync off.
    sync
    for entry in "$unfinished"/*; do
        [ "$(basename "$entry")" = PG_VERSION ] || mv "$entry" "$PGDATA/"
    done
    mv "$unfinished/PG_VERSION" "$PGDATA/"
    rmdir "$unfinished"
    unset PGHOST
fi

exec postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
