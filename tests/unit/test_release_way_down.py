"""An older release is moved to where the manifests name it, and no one loses what they did not agree to."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from appliance.cli.work.host.going_down import agreed
from appliance.errors import RefusedError, WorkFailedError
from appliance.releases import update as updater
from appliance.releases import watch
from appliance.releases.bundles import side
from appliance.releases.installed import CURRENT, point
from appliance.releases.lock import STATE
from appliance.releases.machine import Update
from appliance.releases.under_way import keep_update
from appliance.releases.wanted import Wanted
from appliance.releases.way_down import kept_aside, lowering
from appliance.releases.way_down.borders import BORDERS, values_to_say_otherwise
from appliance.releases.way_down.moves import Side, check_move, losses, metadata_schema_to_reach, what_stays
from appliance.releases.way_down.schemas import Moves, Schemas
from appliance.store.database import migrations
from provisioning.release.schemas import newest_revision, schemas_of
from tests.unit.release_machine import Machine

OLD = Schemas(airflow="3.2.2", metadata="schema 1", store=7)
NEW = Schemas(airflow="3.3.2", metadata="schema 2", metadata_down_to=("schema 1",), store=8)
ALL = Moves(up_from="0.1.0", down_to="0.1.0")
OLDER, NEWER = Side("1.0", OLD, ALL), Side("2.0", NEW, ALL)


def test_between_releases_of_the_same_airflow_nothing_is_lost_either_way() -> None:
    other = Side("1.9", NEW.model_copy(update={"store": 7}), ALL)
    for here, there in ((NEWER, other), (other, NEWER)):
        check_move(here, there)
        assert losses(here, there) == ()
        assert metadata_schema_to_reach(here, there) == ""


def test_a_way_up_loses_nothing_and_a_way_down_says_what_it_loses() -> None:
    check_move(OLDER, NEWER)
    assert losses(OLDER, NEWER) == () and metadata_schema_to_reach(OLDER, NEWER) == ""
    check_move(NEWER, OLDER)
    (airflow,) = losses(NEWER, OLDER)
    assert airflow.startswith("Airflow goes from 3.3.2 back to 3.2.2, and loses what only 3.3.2 records")
    assert what_stays(NEWER, OLDER).endswith(
        "has the schema 8, which 1.0 works on, and shows as much of as its own, 7, has."
    )
    assert metadata_schema_to_reach(NEWER, OLDER) == "schema 1"


def test_what_the_manifest_of_the_newer_one_does_not_name_is_refused_both_ways() -> None:
    later = Side("3.0", NEW, Moves(up_from="2.0", down_to="2.0"))
    for here, there, next_one in ((later, OLDER, "2.0"), (OLDER, later, "2.0, then 3.0")):
        with pytest.raises(RefusedError) as refused:
            check_move(here, there)
        assert refused.value.explanation.next_step == f"sudo appliance release apply {next_one}"
    check_move(later, NEWER)
    check_move(NEWER, later)


def test_a_schema_that_airflow_does_not_lead_back_to_is_refused() -> None:
    ancient = Side("1.0", OLD.model_copy(update={"metadata": "schema 0", "airflow": "3.1.0"}), ALL)
    with pytest.raises(RefusedError, match="does not go down to") as refused:
        check_move(NEWER, ancient)
    assert "Airflow 3.3.2 cannot turn its metadata into that of 3.1.0" in refused.value.why


def test_a_release_that_says_nothing_of_its_schemas_is_asked_about_on_the_way_down_alone() -> None:
    unknown = Side("1.0", None, None)
    check_move(NEWER, unknown)
    assert "does not say which schemas it works on" in losses(NEWER, unknown)[0]
    assert metadata_schema_to_reach(NEWER, unknown) == ""
    check_move(unknown, NEWER)
    assert losses(unknown, NEWER) == () and losses(unknown, Side("0.9", None, None)) == ()


def install(root: Path, one: Side) -> None:
    folder = root / "releases" / one.version
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    (folder / "manifest.json").write_text(text(one))


def text(one: Side) -> str:
    says = {"schemas": one.schemas, "moves": one.moves}
    written = {name: each.model_dump(mode="json") for name, each in says.items() if each is not None}
    return json.dumps({"step_image": {"tag": "x"}, "version": one.version, **written})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """2.0 runs, and 1.0 is installed beside it."""
    for one in (OLDER, NEWER):
        install(tmp_path, one)
    point(tmp_path, CURRENT, "2.0")
    (tmp_path / STATE).mkdir()
    return tmp_path


def test_a_bundle_is_asked_before_it_is_installed(root: Path) -> None:
    folder = root / "bundles"
    folder.mkdir(mode=0o755)
    path = folder / f"appliance-1.5-{os.uname().machine}.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        written = text(Side("1.5", OLD, ALL)).encode()
        member.size = len(written)
        archive.addfile(member, io.BytesIO(written))
    path.with_suffix(".tar.sha256").write_text("a" * 64)
    assert side(root, "1.5") == Side("1.5", OLD, ALL)
    assert side(root, "1.0") == OLDER
    assert side(root, "1.6") == Side("1.6", None, None), "it is not here"


def test_without_a_terminal_nothing_is_lost_unless_it_is_said(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(RefusedError, match="no terminal is there to ask on") as refused:
        agreed(root, "1.0", yes=False)
    assert "Airflow goes from 3.3.2 back to 3.2.2" in refused.value.why
    assert str(root / STATE / "kept") in refused.value.why
    assert agreed(root, "1.0", yes=True)
    assert "Airflow goes from 3.3.2 back to 3.2.2" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_is_shown_and_asked(
    answer: bool, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def confirm(question: str, *, abort: bool) -> None:
        asked.append(question)
        if not answer and abort:
            raise typer.Abort

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", confirm)
    if answer:
        assert agreed(root, "1.0", yes=False)
    else:
        with pytest.raises(typer.Abort):
            agreed(root, "1.0", yes=False)
    assert asked == ["Go down to 1.0?"]
    assert "loses what only 3.3.2 records of a run" in capsys.readouterr().out


def test_in_the_grace_period_the_way_back_says_what_goes_and_the_updater_asks_nobody(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = Update(wanted=Wanted(version="2.0", requested_at=datetime.now(UTC)), former="1.0")
    keep_update(root / STATE, begun.moved("watching"))
    assert not agreed(root, "1.0", yes=True)
    said = capsys.readouterr().out
    assert "goes back to what it was before the move to 2.0" in said and "own record of runs stays" in said


def test_a_way_up_asks_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(root, Side("3.0", NEW, ALL))
    assert not agreed(root, "3.0", yes=False)
    assert capsys.readouterr().out == ""


@pytest.fixture
def machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine of 2.0 on which the updater runs for real."""
    made = Machine(current="2.0")
    (root / "settings").mkdir()
    monkeypatch.setenv("APPLIANCE_CONFIG_DIR", str(root / "settings"))
    monkeypatch.setattr(updater, "ROOT", root)
    monkeypatch.setattr(updater, "FOLDER", root)
    monkeypatch.setattr(updater.os, "geteuid", lambda: 0)
    monkeypatch.setattr(updater, "_runs_under_way", lambda _: False)
    monkeypatch.setattr(updater, "ThisMachine", lambda *_: made)
    monkeypatch.setattr(watch, "start_unit", lambda _: None)
    return made


def test_the_dashboard_cannot_wish_what_a_person_has_to_decide(machine: Machine, root: Path) -> None:
    wish = Wanted(version="1.0", requested_at=datetime.now(UTC), command_id="c-1")
    (root / "wanted.json").write_text(wish.model_dump_json())
    before = machine.state()
    assert updater.main([]) == 0
    answer = json.loads((root / "outcome.json").read_text())
    assert answer["result"] == "refused"
    assert "is for a person at the machine to decide" in answer["message"]
    assert "sudo appliance release apply 1.0" in answer["message"]
    assert machine.state() == before and not (root / "wanted.json").exists()


def test_by_hand_the_updater_goes_down_only_where_the_loss_was_agreed_to(
    machine: Machine, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = machine.state()
    assert updater.main(["--use", "1.0"]) == RefusedError.exit_code
    assert "is for a person at the machine to decide" in capsys.readouterr().err
    assert machine.state() == before
    assert updater.main(["--use", "1.0", "--accept-loss"]) == 0
    assert (machine.current, machine.metadata) == ("1.0", "schema 1")
    assert machine.copy == "schema 2", "in its grace period there is a way back"


def test_the_last_three_copies_are_kept_for_root_alone(tmp_path: Path) -> None:
    for minute in range(5):
        copy = tmp_path / "metadata.sql"
        copy.write_text("-- metadata\n")
        os.utime(copy, (minute, minute))
        kept_aside.keep(tmp_path, copy, f"2.{minute}", datetime(2026, 1, 1, 12, minute, tzinfo=UTC))
        assert not copy.exists()
    names = [path.name for path in kept_aside.kept(tmp_path)]
    assert names == [f"airflow-of-2.{n}-20260101T120{n}00Z.sql" for n in (4, 3, 2)]
    assert (tmp_path / kept_aside.FOLDER).stat().st_mode & 0o777 == 0o700
    assert kept_aside.keep(tmp_path, tmp_path / "metadata.sql", "2.4", datetime.now(UTC)) is None


def test_what_airflow_says_where_it_cannot_go_down_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "a line" >&2; echo "Cannot locate it." >&2; exit 1\n')
    python.chmod(0o755)
    with pytest.raises(WorkFailedError, match="cannot be turned into the schema abc") as failed:
        lowering.perform(python, "abc", outside=())
    assert failed.value.why == "Cannot locate it."
    python.write_text('#!/bin/sh\ntest "$*" = "-I -m appliance.orchestration.airflow.launch lower abc"\n')
    lowering.perform(python, "abc", outside=())


def wheel(folder: Path, *revisions: tuple[str, str | None]) -> Path:
    path = folder / "apache_airflow_core-9.8.7-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for number, (revision, former) in enumerate(revisions):
            written = f"revision = {json.dumps(revision)}\ndown_revision = {json.dumps(former)}\n"
            name = f"airflow/migrations/versions/{number:04}.py"
            archive.writestr(name, written.replace("null", "None"))
    return path


def test_the_schema_of_a_bundle_is_read_from_its_airflow(tmp_path: Path) -> None:
    wheel(tmp_path, ("a1", None), ("c3", "b2"), ("b2", "a1"))
    found = schemas_of(tmp_path)
    assert (found.airflow, found.metadata, found.metadata_down_to) == ("9.8.7", "c3", tuple(BORDERS))
    assert found.store == migrations()[-1][0]
    with pytest.raises(SystemExit, match="does not lead to one schema"):
        newest_revision(wheel(tmp_path, ("a1", None), ("b2", "a1"), ("c3", "a1")))


def test_a_newer_airflow_comes_with_the_way_back_to_the_one_before() -> None:
    """A move of the lock to another Airflow needs its way down shown, and its border added."""
    airflow = importlib.util.find_spec("airflow")
    assert airflow is not None and airflow.origin is not None
    written = Path(airflow.origin).with_name("utils").joinpath("db.py").read_text()
    found = re.findall(r'"(\d+)\.(\d+)\.(\d+)": "([0-9a-f]{12})"', written)
    heads = {(int(a), int(b), int(c)): schema for a, b, c, schema in found}
    *before, newest = sorted(heads)
    former_minor = max(version[:2] for version in before if version[:2] < newest[:2])
    last_of_former = max(version for version in before if version[:2] == former_minor)
    to_reach = {heads[version] for version in before if version >= last_of_former}
    assert to_reach <= set(BORDERS)


def test_every_border_on_the_way_down_is_crossed_with_its_own_words() -> None:
    for number, schema in enumerate(BORDERS, 1):
        crossed = list(BORDERS)[:number]
        assert values_to_say_otherwise(schema) == tuple(sql for each in crossed for sql in BORDERS[each])
    with pytest.raises(KeyError):
        values_to_say_otherwise("0")
