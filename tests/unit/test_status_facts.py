"""What the status page says beside runs: the policy in words, exports in numbers, the last backup."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from appliance import status
from appliance.dashboard.pages.display import COMPONENTS
from appliance.documents.in_words import in_words
from appliance.policy.policy import Policy
from appliance.settings.settings import Settings, load_settings
from appliance.status.facts.diagnostics_file import forget_old
from appliance.status.facts.exports_shown import NOTE, exports_shown, write_exports_note
from appliance.status.facts.policy_shown import policy_shown
from appliance.status.service import create_app
from appliance.system.last_backup import LastBackup, last_backup, note_backup

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
)


def settings(folder: Path, **more: str) -> Settings:
    (folder / "appliance.yaml").write_text("{}\n")
    given_settings = {
        "CONFIG_DIR": str(folder),
        "STATE_DIR": str(folder),
        "RUNTIME_DIR": str(folder),
        "DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "AIRFLOW_DATABASE_URL": "host=127.0.0.1 port=9 dbname=none",
        "AIRFLOW_EXECUTION_API_URL": "http://127.0.0.1:9/execution/",
        **more,
    }
    return load_settings(
        folder / "appliance.yaml", {f"APPLIANCE_{name}": value for name, value in given_settings.items()}
    )


@given(VALUES)
def test_no_value_of_a_policy_is_shown_as_python_writes_it(value: object) -> None:
    shown = in_words(value)  # type: ignore[arg-type]
    written = yaml.safe_dump(value, allow_unicode=True)
    for word in ("True", "False", "None"):
        assert word not in shown or word in written


def test_a_policy_is_shown_rule_by_rule_as_its_file_says(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "workflows_from_cloud: true\nread: [production, lake]\nwrite: []\n"
        "updates: {channel: stable, pin: null}\n"
    )
    shown = policy_shown(settings(tmp_path))
    assert {each.rule: each.value for each in shown.rules} == {
        "workflows_from_cloud": "yes",
        "read": "production, lake",
        "write": "none",
        "updates": "channel: stable; pin: none",
    }
    assert {each.rule for each in shown.rules} <= set(Policy.model_fields)


def test_a_policy_that_is_not_there_or_wrong_is_said_to_be_so(tmp_path: Path) -> None:
    given_settings = settings(tmp_path)
    assert not policy_shown(given_settings).is_there
    (tmp_path / "policy.yaml").write_text("read: [a\n")
    broken = policy_shown(given_settings)
    assert broken.is_there and broken.problem and not broken.rules


def test_the_last_backup_is_known_until_its_note_is_damaged(tmp_path: Path) -> None:
    assert last_backup(tmp_path) is None
    backup = LastBackup(at=datetime(2026, 1, 2, tzinfo=UTC), file="/mnt/a.age", bytes=5, release="1.0.0")
    note_backup(tmp_path, backup)
    assert last_backup(tmp_path) == backup
    assert (tmp_path / "last-backup.json").stat().st_mode & 0o777 == 0o640
    (tmp_path / "last-backup.json").write_text("{")
    assert last_backup(tmp_path) is None


def test_exports_of_a_split_machine_are_known_from_the_note_alone(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.mkdir()
    split = settings(tmp_path, STATUS_FOLDER=str(status))
    assert exports_shown(split) is None
    write_exports_note(split)
    shown = exports_shown(split)
    assert shown is not None and (shown.count, shown.bytes, shown.newest) == (0, 0, ())
    assert (tmp_path / NOTE).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["/connections/test", "/runs", "/runs/w-1/cancel", "/diagnostics"])
def test_only_who_shows_the_token_changes_something_and_only_from_this_page(
    tmp_path: Path, path: str
) -> None:
    page = TestClient(create_app(settings(tmp_path)), base_url="http://127.0.0.1:8642")
    assert page.post(path, json={"connection": "production", "workflow": "w"}).status_code in {401, 422}
    token = next(tmp_path.rglob("status-token")).read_text().strip()
    shown = {"authorization": f"Bearer {token}"}
    elsewhere = page.post(path, json={"connection": "x"}, headers={**shown, "sec-fetch-site": "cross-site"})
    assert elsewhere.status_code in {403, 422}
    as_form = page.post(path, content="{}", headers={**shown, "content-type": "text/plain"})
    assert as_form.status_code in {403, 422}


@pytest.mark.parametrize("path", ["/diagnostics", "/diagnostics.tar.gz"])
def test_diagnostics_are_for_the_owner_alone(tmp_path: Path, path: str) -> None:
    (tmp_path / "diagnostics.tar.gz").write_bytes(b"all about this machine")
    page = TestClient(create_app(settings(tmp_path)), base_url="http://127.0.0.1:8642")
    assert page.get(path).status_code == 401
    token = next(tmp_path.rglob("status-token")).read_text().strip()
    shown = page.get(path, headers={"authorization": f"Bearer {token}"})
    assert shown.status_code == (503 if path == "/diagnostics" else 200)


def test_diagnostics_are_deleted_after_an_hour(tmp_path: Path) -> None:
    made = tmp_path / "diagnostics.tar.gz"
    made.write_bytes(b"x")
    forget_old(settings(tmp_path))
    assert made.exists()
    os.utime(made, (0, 0))
    forget_old(settings(tmp_path))
    assert not made.exists()


def test_a_connection_that_is_not_there_or_not_filled_in_is_not_tried(tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    file.touch(mode=0o600)
    server = {"type": "postgres", "host": "db", "dbname": "d", "user": "u", "password": "changeme"}
    file.write_text(yaml.safe_dump({"production": server}))
    page = TestClient(create_app(settings(tmp_path)), base_url="http://127.0.0.1:8642")
    token = next(tmp_path.rglob("status-token")).read_text().strip()
    shown = {"authorization": f"Bearer {token}"}
    unfilled = page.post("/connections/test", json={"connection": "production"}, headers=shown)
    assert unfilled.status_code == 409 and "changeme" in unfilled.json()["detail"]
    missing = page.post("/connections/test", json={"connection": "other"}, headers=shown)
    assert missing.status_code == 409 and "There is no connection" in missing.json()["detail"]


def test_a_part_has_one_name_on_the_appliance_and_on_the_dashboard() -> None:
    script = (Path(status.__file__).parent / "facts.js").read_text()
    for part, name in COMPONENTS.items():
        assert part == "reporting" or f'{part}: "{name}"' in script
