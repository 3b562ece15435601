"""Run ids, run folders, and which workflow files an appliance has: all without a database."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from appliance.errors import WrongRequestError
from appliance.killed_runs import alive, left_behind, mark_removed, mark_unfinished, note_try
from appliance.orchestration.workflow_files import INDEX, origin_of, read_workflow_files
from appliance.run_folder import (
    SPEC,
    TRY_AGAIN_S,
    RunFile,
    StopRequest,
    is_over,
    mark_over,
    new_airflow_run_id,
    open_runs,
    reading_once,
    request_stop,
    run_folder,
    run_id_for,
    stop_request,
)
from appliance.steps.records.run_files import SPEC_OF_ANY_RELEASE

WORKFLOW = """
id: {id}
source: production
tables: {{include: ["public.*"]}}
deliver: [{{twin: {{connection: staging}}}}]
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """(config_dir, state_dir), each with its folder of workflows."""
    config, state = tmp_path / "etc", tmp_path / "state"
    for folder in (config, state):
        (folder / "workflows").mkdir(parents=True)
    return config, state


def write(folder: Path, name: str, id_: str) -> Path:
    path = folder / "workflows" / name
    path.write_text(WORKFLOW.format(id=id_))
    return path


def test_a_run_id_names_the_workflow_and_holds_only_what_a_label_and_a_folder_may() -> None:
    run_id = run_id_for("staging-twin", "scheduled__2026-11-23T02:00:00+00:00")
    assert run_id == "staging-twin-scheduled-2026-11-23t02-00-00-00-00"
    assert len(run_id_for("a" * 63, "x" * 500)) <= 120


def test_two_runs_of_the_same_second_get_different_ids() -> None:
    assert len({new_airflow_run_id() for _ in range(20)}) > 1


def test_the_first_request_to_stop_a_run_is_the_one_that_holds(tmp_path: Path) -> None:
    assert request_stop(tmp_path, "r", StopRequest("cancel", "first"))
    assert not request_stop(tmp_path, "r", StopRequest("failed", "second"))
    assert stop_request(run_folder(tmp_path, "r")) == StopRequest("cancel", "first")


def test_a_run_without_a_request_to_stop_has_none(tmp_path: Path) -> None:
    assert stop_request(run_folder(tmp_path, "r")) is None


def test_a_run_is_open_from_its_spec_until_its_mark(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "r")
    folder.mkdir(parents=True)
    assert not list(open_runs(tmp_path))
    (folder / "spec.json").write_text("{}")
    assert [run_id for run_id, _ in open_runs(tmp_path)] == ["r"]
    mark_over(tmp_path, "r", "succeeded")
    assert is_over(folder)
    assert not list(open_runs(tmp_path))


def test_files_of_both_folders_are_found_and_know_where_they_came_from(places: tuple[Path, Path]) -> None:
    config, state = places
    write(config, "a.yaml", "mine")
    write(state, "b.yaml", "theirs")
    write(config, ".unfinished.yaml", "hidden")
    found = {file.id: file.origin for file in read_workflow_files(config, state)}
    assert found == {"mine": "local", "theirs": "cloud"}
    assert origin_of(state, "theirs") == "cloud"


def test_a_broken_file_is_shown_with_its_problem_and_hides_no_other(places: tuple[Path, Path]) -> None:
    config, state = places
    write(config, "good.yaml", "good")
    (config / "workflows" / "bad.yaml").write_text("id: bad\ntables: [")
    (config / "workflows" / "binary.yaml").write_bytes(b"\x00\xff\xfe")
    files = {Path(file.path).name: file for file in read_workflow_files(config, state)}
    assert files["good.yaml"].usable
    assert not files["bad.yaml"].usable
    assert "bad.yaml" in (files["bad.yaml"].problem or "")
    assert not files["binary.yaml"].usable


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ('{"*.*.email": emial}', "did you mean email"),
        ('{"*.*.email": {mask: partial, keep_frist: 2}}', "keep_frist"),
    ],
)
def test_a_file_whose_masks_do_not_exist_or_do_not_take_their_parameters_is_no_usable_one(
    places: tuple[Path, Path], masks: str, said: str
) -> None:
    config, state = places
    path = write(config, "typo.yaml", "typo")
    path.write_text(path.read_text() + f"masks: {masks}\n")
    write(config, "good.yaml", "good")
    for file in (*read_workflow_files(config, state), *read_workflow_files(config, state)):
        assert file.usable == (file.id == "good")
        assert file.usable or (said in (file.problem or "") and f"{path}:6" in (file.problem or ""))


def test_two_files_with_one_id_both_do_not_run_and_each_names_both(places: tuple[Path, Path]) -> None:
    config, state = places
    first, second = write(config, "a.yaml", "twice"), write(state, "b.yaml", "twice")
    write(config, "c.yaml", "once")
    files = read_workflow_files(config, state)
    assert [file.id for file in files if file.usable] == ["once"]
    for file in files:
        if file.id == "twice":
            assert str(first) in (file.problem or "")
            assert str(second) in (file.problem or "")


def test_a_file_that_did_not_change_is_not_read_again(places: tuple[Path, Path]) -> None:
    config, state = places
    path = write(config, "a.yaml", "one")
    assert [file.id for file in read_workflow_files(config, state)] == ["one"]
    before = path.stat()
    path.write_text(WORKFLOW.format(id="two"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [file.id for file in read_workflow_files(config, state)] == ["one"]
    path.touch()
    assert [file.id for file in read_workflow_files(config, state)] == ["two"]


def test_a_damaged_index_costs_nothing_but_time(places: tuple[Path, Path]) -> None:
    config, state = places
    write(config, "a.yaml", "one")
    read_workflow_files(config, state)
    for damage in ("", "[]", json.dumps({"version": "other", "files": [{"path": 1}]})):
        (state / INDEX).write_text(damage)
        assert [file.id for file in read_workflow_files(config, state)] == ["one"]


def test_missing_folders_are_no_workflows(tmp_path: Path) -> None:
    assert read_workflow_files(tmp_path / "nowhere", tmp_path / "neither") == []


class Note(BaseModel):
    """Any document."""

    model_config = ConfigDict(extra="forbid")

    text: str


NOTE = RunFile("schema/note.json", Note)


def test_a_document_that_is_written_again_is_the_newer_one_and_nothing_else_lies_beside_it(
    tmp_path: Path,
) -> None:
    assert not NOTE.is_in(tmp_path)
    NOTE.write(tmp_path, Note(text="first"))
    NOTE.write(tmp_path, Note(text="second"))
    assert NOTE.read(tmp_path) == Note(text="second")
    assert [path.name for path in (tmp_path / "schema").iterdir()] == ["note.json"]


def test_a_frozen_document_stays_as_it_is(tmp_path: Path) -> None:
    frozen = RunFile("note.json", Note)
    assert frozen.freeze(tmp_path / "run", Note(text="first"))
    assert not frozen.freeze(tmp_path / "run", Note(text="second"))
    assert frozen.read(tmp_path / "run") == Note(text="first")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["note.json"]


SHARED = RunFile("shared.json", Note, shared=True)


def test_a_document_that_many_steps_read_is_parsed_once_and_anew_when_it_was_replaced(tmp_path: Path) -> None:
    SHARED.write(tmp_path, Note(text="first"))
    assert SHARED.read(tmp_path) is not SHARED.read(tmp_path)
    with reading_once():
        read = SHARED.read(tmp_path)
        assert SHARED.read(tmp_path) is read
        SHARED.write(tmp_path, Note(text="second"))
        assert SHARED.read(tmp_path) == Note(text="second")
        SHARED.path(tmp_path).unlink()
        with pytest.raises(WrongRequestError, match="is not in the run's folder"):
            SHARED.read(tmp_path)
    SHARED.write(tmp_path, Note(text="third"))
    assert SHARED.read(tmp_path) is not SHARED.read(tmp_path)


def test_a_document_that_is_missing_or_of_another_release_is_said_to_be_so_without_its_values(
    tmp_path: Path,
) -> None:
    with pytest.raises(WrongRequestError, match=r"schema/note\.json is not in the run's folder"):
        NOTE.read(tmp_path)
    NOTE.write(tmp_path, Note(text="x"))
    for content, said in (
        ('{"text": "x", "more": "secret"}', "more"),
        ('{"text": ["secret"]}', "text"),
        ("{", ""),
    ):
        NOTE.path(tmp_path).write_text(content)
        with pytest.raises(WrongRequestError, match=r"another version") as raised:
            NOTE.read(tmp_path)
        assert f"Unexpected at: {said}" in raised.value.why
        assert "secret" not in raised.value.text()


def test_what_scheduling_reads_of_a_spec_is_read_of_any_release(tmp_path: Path) -> None:
    SPEC_OF_ANY_RELEASE.path(tmp_path).write_text(
        json.dumps(
            {
                "origin": "cloud",
                "unheard_of": 1,
                "workflow": {"id": "twin", "later": {}, "limits": {"parallel": 3, "other": 1}},
            }
        )
    )
    spec = SPEC_OF_ANY_RELEASE.read(tmp_path)
    assert (spec.origin, spec.workflow.id, spec.workflow.limits.parallel) == ("cloud", "twin", 3)


def unfinished(state: Path, run_id: str) -> Path:
    """The folder of a run that has begun to build something beside a twin."""
    folder = run_folder(state, run_id)
    folder.mkdir(parents=True)
    (folder / SPEC).write_text("{}")
    mark_unfinished(folder)
    return folder


def test_a_run_that_is_over_leaves_something_behind_until_that_is_removed(tmp_path: Path) -> None:
    folder = unfinished(tmp_path, "flow-1")
    assert left_behind(tmp_path) == [], "it may be under way"
    mark_over(tmp_path, "flow-1", "failed")
    assert left_behind(tmp_path) == [("flow-1", folder)]
    assert left_behind(tmp_path, local_only=True) == [], "Airflow's runs are the reaper's"
    mark_removed(folder)
    assert left_behind(tmp_path) == []
    mark_removed(folder)


def test_a_local_run_leaves_something_behind_when_its_process_is_gone(tmp_path: Path) -> None:
    folder = unfinished(tmp_path, "flow-1")
    with alive(folder):
        assert left_behind(tmp_path) == left_behind(tmp_path, local_only=True) == []
    assert left_behind(tmp_path) == left_behind(tmp_path, local_only=True) == [("flow-1", folder)]


def test_what_could_not_be_removed_is_tried_again_later_and_not_for_ever(tmp_path: Path) -> None:
    folder = unfinished(tmp_path, "flow-1")
    mark_over(tmp_path, "flow-1", "failed")
    note_try(folder)
    assert left_behind(tmp_path) == []
    (mark,) = folder.glob("unfinished")
    before = mark.stat().st_mtime - TRY_AGAIN_S - 1
    os.utime(mark, (before, before))
    assert left_behind(tmp_path) == [("flow-1", folder)]
    os.utime(folder / SPEC, (0, 0))
    assert left_behind(tmp_path) == []
