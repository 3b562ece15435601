"""Settings: all optional, overridden by the environment, and described."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.connections.file import load_connections
from appliance.documents.problems import WrongDocumentError
from appliance.settings.settings import CONNECTIONS, Settings, load_settings, variables


def test_everything_has_a_default_and_the_usual_places() -> None:
    settings = load_settings(environment={})
    assert settings == Settings()
    assert settings.connections_file == Path("/etc/appliance/connections.yaml")
    assert settings.policy_file == Path("/etc/appliance/policy.yaml")
    assert settings.workflow_dirs == (Path("/etc/appliance/workflows"), Path("/var/lib/appliance/workflows"))
    assert settings.runs_dir == Path("/var/lib/appliance/runs")
    assert settings.mask_key_file == Path("/var/lib/appliance/keys/mask.key")
    assert (settings.steps.network, settings.steps.cgroup_parent) == ("bridge", None)
    assert (settings.status.host, settings.status.port) == ("127.0.0.1", 8642)


def test_the_file_is_named_by_an_argument_or_by_a_variable(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("status: {port: 9000}\nsteps: {image: 'x:1'}\n")
    assert load_settings(path, {}).status.port == 9000
    assert load_settings(environment={"APPLIANCE_CONFIG": str(path)}).steps.image == "x:1"


def test_a_file_of_comments_is_fine_and_a_named_one_that_is_missing_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# status:\n#   port: 1\n")
    assert load_settings(path, {}) == Settings()
    with pytest.raises(WrongDocumentError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", {})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("status: {port: 9000, host: '::1'}\nstate_dir: /one\n")
    environment = {
        "APPLIANCE_STATUS_PORT": "9001",
        "APPLIANCE_STATE_DIR": "/two",
        "APPLIANCE_STEPS_MAX_CPUS": "1.5",
        "APPLIANCE_STEPS_CGROUP_PARENT": "appliance-steps.slice",
        "APPLIANCE_DASHBOARD_URL": "null",
        "APPLIANCE_DEBUG": "1",
        "HOME": "/root",
    }
    settings = load_settings(path, environment)
    assert (settings.status.port, settings.status.host) == (9001, "::1")
    assert settings.state_dir == Path("/two")
    assert settings.steps.max_cpus == 1.5
    assert settings.steps.cgroup_parent == "appliance-steps.slice"
    assert settings.dashboard_url is None


def test_problems_name_the_line_or_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("stat_dir: /x\nstatus:\n  port: 99999\nsteps: {image: 7}\n")
    with pytest.raises(WrongDocumentError) as caught:
        load_settings(path, {"APPLIANCE_STEPS_MAX_PARALLEL": "many", "APPLIANCE_STATUS_HOST": ""})
    text = str(caught.value)
    assert f"{path}:1: stat_dir: is not a known key (did you mean state_dir?)" in text
    assert f"{path}:3: status.port: `99999` is out of range; expected at most 65535" in text
    assert f"{path}:4: steps.image: `7` is not text" in text
    assert "APPLIANCE_STEPS_MAX_PARALLEL: steps.max_parallel: `many` is not a whole number" in text
    assert "APPLIANCE_STATUS_HOST: status.host: " in text


def test_a_variable_for_a_broken_section_does_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("status: 5\n")
    assert load_settings(path, {"APPLIANCE_STATUS_PORT": "9"}).status.port == 9


def test_every_setting_has_a_variable_a_description_and_an_example() -> None:
    names = variables()
    assert names["APPLIANCE_STEPS_MAX_MEMORY_MB"] == ("steps", "max_memory_mb")
    assert names["APPLIANCE_DATABASE_URL"] == ("database_url",)
    assert len(names) == len(set(names.values()))
    schema = Settings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, described in model["properties"].items():
            assert described.get("description"), name
            assert described.get("examples"), name


def test_database_urls_are_not_shown_where_settings_are() -> None:
    settings = load_settings(environment={"APPLIANCE_DATABASE_URL": "postgresql://u:S3cret@h/d"})
    assert settings.database_url == "postgresql://u:S3cret@h/d"
    assert "S3cret" not in repr(settings)
    with pytest.raises(WrongDocumentError) as caught:
        load_settings(environment={"APPLIANCE_DATABASE_URL": "[S3cret"} | {"APPLIANCE_STATUS_PORT": "x"})
    assert "S3cret" not in str(caught.value)


def test_a_credential_that_systemd_gives_is_read_instead_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(environment={"APPLIANCE_CONFIG_DIR": str(tmp_path / "etc")})
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert settings.connections_file == tmp_path / "etc" / "connections.yaml"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert settings.connections_file == tmp_path / "etc" / "connections.yaml"
    credential = tmp_path / "connections.yaml"
    credential.write_text("production: {host: db, dbname: shop, user: reader, password: x}\n")
    # systemd's access lists show as bits for the group.
    credential.chmod(0o440)
    assert settings.connections_file == credential
    assert list(load_connections(settings.connections_file)) == ["production"]


def test_the_drop_in_names_the_credential_as_the_settings_do() -> None:
    text = (Path(__file__).parents[2] / "systemd" / "connections-credential.conf").read_text()
    assert f"LoadCredentialEncrypted={CONNECTIONS}:/etc/appliance/" in text
