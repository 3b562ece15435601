"""``appliance workflow validate`` and ``schema``, with the masks there really are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from appliance.cli.workflows.workflow import app
from tests.unit.example_documents import WHOLE_WORKFLOW
from tests.unit.test_workflow_schema import keys


def validate(*arguments: str | Path, given: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["validate", *map(str, arguments)], input=given, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    path = tmp_path / "valid.yaml"
    path.write_text(WHOLE_WORKFLOW)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        WHOLE_WORKFLOW.replace("title:", "titel:")
        .replace(".email: email", ".email: emial")
        .replace("keep_prefix", "keep_prefx")
    )
    return path


def test_a_valid_file_is_said_to_be(valid: Path) -> None:
    assert validate(valid) == (0, f"{valid}: staging-twin is valid\n", "")


def test_all_that_is_wrong_is_said_at_once_masks_included(wrong: Path) -> None:
    code, out, errors = validate(wrong)
    assert (code, out) == (2, "")
    lines = errors.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        f"{wrong}:2: titel: is not a known key (did you mean title?); expected one of: "
    )
    assert lines[1].startswith(
        f'{wrong}:12: masks."public.customer.email": there is no mask `emial` (did you mean email?)'
    )
    assert lines[2].startswith(
        f'{wrong}:13: masks."public.customer.phone".keep_prefx: is not a known key (did you mean keep_prefix?'
    )


NESTED = """\
id: nested
source: production
tables: {include: ["public.*"]}
masks:
  public.a.doc:
    mask: json
    paths:
      contact.email: emial
      "x[1].y": email
      deep: {mask: partial, keep_frist: 3}
      in: {mask: json, paths: {a: email}}
      a: email
      a.b: hash
deliver: [{twin: {connection: staging}}]
"""


def test_the_masks_inside_a_json_document_are_checked_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "nested.yaml"
    file.write_text(NESTED)
    status, _, said = validate(file)
    assert status == 2
    begin = f'{file}:%d: masks."public.a.doc".paths.%s: %s'
    for line, place, what in (
        (8, '"contact.email"', "there is no mask `emial` (did you mean email?)"),
        (9, '"x[1].y"', "is no path to mask: a single element of a list cannot be masked"),
        (10, "deep.keep_frist", "is not a known key (did you mean keep_first?)"),
        (11, "in", "there is no mask `json`"),
        (13, '"a.b"', "is no path to mask: it leads through another path"),
    ):
        assert begin % (line, place, what) in said
    assert len(said.splitlines()) == 5


def test_several_files_are_checked_and_the_valid_ones_named(valid: Path, wrong: Path) -> None:
    code, out, errors = validate(valid, wrong)
    assert code == 2
    assert out == f"{valid}: staging-twin is valid\n"
    assert str(valid) not in errors


def test_two_files_of_one_id_are_both_wrong(valid: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(WHOLE_WORKFLOW)
    code, _, errors = validate(valid, other)
    assert code == 2
    assert errors == (
        f"{valid}: id: `staging-twin` is also the id of {other}; expected another id\n"
        f"{other}: id: `staging-twin` is also the id of {valid}; expected another id\n"
    )


def test_a_file_may_be_given_twice_and_standard_input_be_read(valid: Path) -> None:
    assert validate(valid, valid)[0] == 0
    assert validate("-", given=WHOLE_WORKFLOW) == (0, "-: staging-twin is valid\n", "")
    assert validate("-", given="[")[2].startswith("standard input:2: is not YAML")


def test_a_program_gets_json(valid: Path, wrong: Path, tmp_path: Path) -> None:
    code, out, errors = validate(valid, wrong, tmp_path / "none.yaml", "--json")
    assert (code, errors) == (2, "")
    outcome = json.loads(out)
    assert outcome["valid"] is False
    assert outcome["files"][0] == {"file": str(valid), "valid": True, "id": "staging-twin", "problems": []}
    first = outcome["files"][1]["problems"][0]
    assert (first["line"], first["path"]) == (2, "titel")
    assert first["what"].startswith("is not a known key")
    assert "cannot be read" in outcome["files"][2]["problems"][0]["what"]


def test_the_schema_is_complete_with_the_real_masks() -> None:
    result = CliRunner().invoke(app, ["schema"], catch_exceptions=False)
    schema = json.loads(result.stdout)
    Draft202012Validator.check_schema(schema)
    described = dict(keys(schema))
    assert any(path.endswith(".keep_prefix") for path in described)
    assert [
        path for path, key in described.items() if not key.get("description") or not key.get("examples")
    ] == []
    for path, key in described.items():
        for example in key["examples"]:
            assert Draft202012Validator({**key, "$defs": schema["$defs"]}).is_valid(example), (path, example)
