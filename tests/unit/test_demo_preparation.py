"""What the demo prepares before its first start: files that are made once, and a bucket's certificate."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from appliance.connections.file import connections_of
from appliance.documents import strict_yaml
from compose.demo import prepare

OWNER = os.getuid()


def test_a_connection_is_added_once_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    prepare.write_once(file, "# mine\nproduction: {type: postgres, host: db, dbname: d, user: u}\n", OWNER)
    lake = prepare.LAKE.format(host="bucket", authority="/ca.pem", secret="s")
    for _ in range(2):
        prepare.add_connection(file, "lake", lake, OWNER)
    text = file.read_text()
    assert text.startswith("# mine\n") and text.count("lake:") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(yaml.safe_load(text)) == ["production", "lake"]
    known = connections_of(strict_yaml.load(text, "connections.yaml"))
    assert known.buckets["lake"].places == (("bucket", 9000),)


def test_a_file_is_made_once_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for text in ("first", "second"):
        prepare.write_once(file, text, OWNER)
    assert file.read_text() == "first"


def test_the_bucket_has_a_certificate_for_its_host_of_an_authority_without_a_key(tmp_path: Path) -> None:
    connection = [
        prepare.bucket_files(tmp_path / "bucket", tmp_path / "certs" / "lake.pem", OWNER, OWNER)
        for _ in range(2)
    ]
    assert connection[0] == connection[1]
    assert sorted(each.name for each in (tmp_path / "bucket").iterdir()) == [
        "secret_access_key",
        "server.key",
        "server.pem",
    ]
    authority = x509.load_pem_x509_certificate((tmp_path / "certs" / "lake.pem").read_bytes())
    certificate = x509.load_pem_x509_certificate((tmp_path / "bucket" / "server.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [prepare.BUCKET_HOST]
    key = serialization.load_pem_private_key((tmp_path / "bucket" / "server.key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()
