"""What the demo needs before its first start: keys, passwords, a certificate, and a connections.yaml.

Runs as root in a container without a network, and makes only what is not there yet, so that a connection
which was changed since stays as it is.
"""

from __future__ import annotations

import datetime
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

APPLIANCE = 10001
POSTGRES = 10002
DASHBOARD = 10003
BUCKET = 10004
BUCKET_HOST = "bucket"
VALID = datetime.timedelta(days=3650)

CONNECTIONS = """\
# The databases' addresses and credentials: on the appliance only, read afresh for every run.
production: {{type: postgres, host: production, dbname: shop, user: reader, password: {reader}}}
staging: {{type: postgres, host: staging, dbname: shop_twin, user: twin_owner, password: {twin_owner}}}
"""
LAKE = """\
lake:
  type: s3
  bucket: lake
  endpoint: https://{host}:9000
  sslrootcert: {authority}
  access_key_id: AKIADEMO
  secret_access_key: {secret}
"""


def write_once(path: Path, text: str, owner: int, *, anew: bool = False) -> None:
    """Create the file whole, readable by its owner alone, unless it is there; ``anew``: in place of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The volume belongs to a lesser user after the first start: no link of its making is followed.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(folder, owner, owner)
        if not anew and path.name in os.listdir(folder):  # noqa: PTH208 - by its descriptor
            return
        unfinished = f".{path.name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(unfinished, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), owner, owner)
            file.write(text)
        os.rename(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def bucket_files(folder: Path, authority_file: Path, bucket: int, appliance: int) -> str:
    """Keys and a certificate for the bucket, whose files belong to ``bucket``; the connection to it.

    The authority signs this one certificate, and its own key is not kept.
    """
    secret = folder / "secret_access_key"
    write_once(secret, secrets.token_urlsafe(30), bucket)
    if not (folder / "server.pem").exists():
        authority, certificate, key = certificates(BUCKET_HOST)
        write_once(authority_file, authority, appliance, anew=True)
        write_once(folder / "server.key", key, bucket, anew=True)
        write_once(folder / "server.pem", certificate, bucket)
    return LAKE.format(host=BUCKET_HOST, authority=authority_file, secret=secret.read_text(encoding="utf-8"))


def certificates(host: str) -> tuple[str, str, str]:
    """An authority's certificate; a certificate for the host that it has signed, and its key. All PEM."""
    signing, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The demo's authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    made = [
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=key is signing, path_length=None), critical=True)
        for name, key in ((issuer, signing), (subject, own))
    ]
    authority, certificate = made[0], made[1].add_extension(names, critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return (
        authority.sign(signing, hashes.SHA256()).public_bytes(pem).decode(),
        certificate.sign(signing, hashes.SHA256()).public_bytes(pem).decode(),
        own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def add_connection(path: Path, name: str, text: str, owner: int) -> None:
    """Add a connection to the file, unless it has one of that name. What stands in it stays as it is."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
        written = file.read()
    if f"\n{name}:" not in f"\n{written}":
        write_once(path, f"{written.rstrip()}\n{text}", owner, anew=True)


def main() -> None:
    """Make them all."""
    passwords = {}
    for server, role in (("production", "reader"), ("staging", "twin_owner")):
        path = Path("/passwords") / server / role
        write_once(path, secrets.token_urlsafe(24), POSTGRES)
        passwords[role] = path.read_text(encoding="utf-8")
    connections = Path("/etc/appliance/connections.yaml")
    write_once(connections, CONNECTIONS.format(**passwords), APPLIANCE)
    authority = Path("/etc/appliance/certs/lake.pem")
    lake = bucket_files(Path("/passwords/bucket"), authority, BUCKET, APPLIANCE)
    # A demo of an earlier version has none.
    add_connection(connections, "lake", lake, APPLIANCE)
    write_once(Path("/passwords/dashboard/first-password"), secrets.token_urlsafe(12), DASHBOARD)
    write_once(Path("/var/lib/appliance/keys/airflow-jwt"), secrets.token_urlsafe(64), APPLIANCE)


if __name__ == "__main__":
    main()
