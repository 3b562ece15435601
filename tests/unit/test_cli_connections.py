"""``appliance connections template``: a file that needs only values to be filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance.cli.workflows.connections import app
from appliance.connections.file import connections_of, load_connections, select_connections
from appliance.documents.strict_yaml import load
from appliance.errors import WrongRequestError
from tests.unit.example_documents import WHOLE_WORKFLOW

SECOND = WHOLE_WORKFLOW.replace("staging-twin", "second").replace("staging}", "attic}")
CHAIN = (
    WHOLE_WORKFLOW.replace("staging-twin", "chain").replace("production", "staging").replace("staging}", "b}")
)


def template(folder: Path, *documents: str) -> str:
    files = []
    for number, document in enumerate(documents):
        path = folder / f"{number}.yaml"
        path.write_text(document)
        files.append(str(path))
    result = CliRunner().invoke(app, ["template", *files], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_each_connection_that_workflows_need_stands_in_it_once(tmp_path: Path) -> None:
    text = template(tmp_path, WHOLE_WORKFLOW, SECOND)
    assert list(connections_of(load(text, "c.yaml"))) == ["production", "staging", "attic"]
    assert "production:  # read by staging-twin, second\n" in text
    assert "attic:  # replaced by second\n" in text


def test_a_connection_that_is_read_and_written_says_both(tmp_path: Path) -> None:
    text = template(tmp_path, WHOLE_WORKFLOW, CHAIN)
    assert "staging:  # read by chain, replaced by staging-twin\n" in text


def test_every_value_that_a_person_must_know_is_a_changeme_that_is_refused(tmp_path: Path) -> None:
    known = connections_of(load(template(tmp_path, WHOLE_WORKFLOW), "c.yaml"))
    with pytest.raises(WrongRequestError) as caught:
        select_connections(known, ["production"])
    keys = [line.split(": ")[1] for line in caught.value.what.splitlines()]
    assert keys == [f"production.{key}" for key in ("host", "dbname", "user", "password")]


def test_once_filled_in_the_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    path.write_text(
        template(tmp_path, WHOLE_WORKFLOW).replace("'changeme'", "'it''s: # {ok}'").replace("changeme", "x")
    )
    path.chmod(0o600)
    chosen = select_connections(load_connections(path), ["production", "staging"])
    assert {each.password.get_secret_value() for each in chosen.values()} == {"it's: # {ok}"}


def test_a_wrong_workflow_is_answered_with_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("id: X\n")
    result = CliRunner().invoke(app, ["template", str(path)])
    assert isinstance(result.exception, WrongRequestError)
    assert f"{path}:1: id: `X` is not allowed" in str(result.exception)
