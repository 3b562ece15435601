"""Names and versions: one pattern each, wherever they are met."""

from __future__ import annotations

import itertools

import pytest
from pydantic import TypeAdapter, ValidationError

from appliance.backups.manifest import DATABASES, FORMAT, DatabaseFacts, Manifest, read_manifest
from appliance.contract import fields
from appliance.documents import named_types
from appliance.documents.names import (
    RELEASE,
    bundle_name,
    is_final_release,
    is_release,
    release_order,
    version_in_bundle_name,
)
from appliance.errors import WrongRequestError
from provisioning.release import unpack

LONGEST = "1." + "0" * 58


def accepts(kind: object, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


def test_the_program_that_stands_alone_takes_the_same_releases() -> None:
    assert unpack._RELEASE == RELEASE


@pytest.mark.parametrize("version", ["1.2.0", "1.2.0rc1", "0.1.0.dev3", "2.0+local-1", LONGEST])
def test_what_a_release_may_be_called_can_be_reported(version: str) -> None:
    assert is_release(version) and accepts(fields.VersionName, version)
    assert version_in_bundle_name(bundle_name(version)) == version


@pytest.mark.parametrize("version", ["v2.0", "latest", "", "2_0", "2.0/..", "1.0\n", LONGEST + "0"])
def test_what_no_release_is_called(version: str) -> None:
    assert not is_release(version)
    assert version_in_bundle_name(bundle_name(version)) is None


def test_releases_are_in_the_order_in_which_they_are_made() -> None:
    made = ["0.9.0", "0.10.0.dev1", "0.10.0rc1", "0.10.0", "0.10.1", "1.0"]
    assert sorted(set(made), key=release_order) == made
    assert [version for version in made if is_final_release(version)] == ["0.9.0", "0.10.0", "0.10.1", "1.0"]


def test_a_backup_of_a_release_is_not_read_by_one_from_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = DatabaseFacts(server_version=150000, schema_version="1")
    backup = Manifest(
        format=FORMAT,
        release="0.2.0",
        created_at="2026-01-02T03:04:05Z",
        host="h",
        databases=dict.fromkeys(DATABASES, facts),
    )
    written = backup.model_dump_json().encode()
    monkeypatch.setattr("appliance.__version__", "0.2.0")
    assert read_manifest(written) == backup
    monkeypatch.setattr("appliance.__version__", "0.2.0rc1")
    with pytest.raises(WrongRequestError, match=r"made by release 0\.2\.0, and this is 0\.2\.0rc1"):
        read_manifest(written)


@pytest.mark.parametrize("name", ["WorkflowId", "ConnectionName"])
def test_a_name_that_a_document_takes_is_one_that_the_contract_carries_and_no_other(name: str) -> None:
    signs = ("", "a", "Z", "7", "-", "_", ".", "é", "a" * 61)
    for parts in itertools.product(signs, repeat=3):
        text = "".join(parts)
        assert accepts(getattr(fields, name), text) == accepts(getattr(named_types, name), text), text
