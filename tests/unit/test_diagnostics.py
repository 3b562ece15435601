"""Journals and task logs become text in which the scrubber can tell where a value begins and ends."""

from __future__ import annotations

import json
from pathlib import Path

from appliance.diagnostics.archive import _collected
from appliance.diagnostics.known_secrets import scrubber
from appliance.diagnostics.part import NotThereError, Part, separated, table
from appliance.diagnostics.services import readable_journal
from appliance.keys.epochs import start_epoch
from appliance.orchestration.log_text import pieces, readable
from appliance.scrubbing.scrub import Scrubber
from appliance.settings.settings import load_settings
from appliance.status.history import History

ROOT = Path(__file__).parents[2]
NAME = "Wilhelmina Canaryson"


def record(message: object, at: float, unit: str = "appliance-status.service", pid: int = 7) -> str:
    content = {
        "_SYSTEMD_UNIT": unit,
        "_PID": str(pid),
        "MESSAGE": message,
        "__REALTIME_TIMESTAMP": str(int(at * 1e6)),
    }
    return json.dumps(content)


def scrubbed(*records: str) -> str:
    part = Part("x", "", lambda: readable_journal("\n".join(records)))
    return _collected(part, Scrubber()).text


def test_an_exception_in_the_journal_keeps_its_class_and_loses_its_words() -> None:
    shown = scrubbed(
        record("Traceback (most recent call last):", 1000),
        record('  File "/opt/a/step.py", line 7, in run', 1000),
        record(f"ValueError: no such person: {NAME}", 1000.1),
        record(f"and {NAME} again", 1000.2),
        record("Ready.", 1060),
    )
    assert NAME not in shown
    assert "ValueError: [removed]" in shown and "line 7, in run" in shown and "Ready." in shown


def test_lines_of_two_processes_do_not_mix() -> None:
    shown = scrubbed(
        record("ERROR:  duplicate key value", 1000, "postgresql@15-main.service", 1),
        record("listening", 1000, pid=2),
        record(f"DETAIL:  Key (name)=({NAME}) already exists.", 1000, "postgresql@15-main.service", 1),
        record(f"{NAME} of the second line", 1000, "postgresql@15-main.service", 1),
    )
    assert NAME not in shown and "listening" in shown and "duplicate key value" in shown


def test_a_message_of_bytes_is_read_and_what_is_no_record_does_no_harm() -> None:
    assert "grüß" in scrubbed(record(list("grüß".encode()), 1000), "-- No entries --")


def test_a_task_s_exception_is_told_by_class_and_place_only() -> None:
    frames = [{"filename": "/a/b.py", "lineno": 3, "name": "f"}]
    detail = {"exc_type": "KeyError", "exc_value": NAME, "frames": frames}
    shown = readable({"event": "failed", "timestamp": "2026-01-02T03:04:05", "error_detail": [detail]})
    assert NAME not in shown and "KeyError" in shown and 'File "/a/b.py", line 3, in f' in shown


def test_lines_that_a_task_printed_one_by_one_stay_together() -> None:
    printed = ["Traceback (most recent call last):", f"ValueError: {NAME}", f"and {NAME} again"]
    lines = [json.dumps({"event": text, "logger": "task.stderr"}) for text in printed]
    log = [json.dumps({"event": "DETAIL: x"}), *lines, json.dumps({"event": "Done."}), "not JSON"]
    text = _collected(Part("x", "", lambda: pieces(log)), Scrubber()).text
    assert NAME not in text and "ValueError: [removed]" in text and "Done." in text and "not JSON" in text


def test_numbers_side_by_side_do_not_look_like_a_telephone_number() -> None:
    rows = [(4711, 123456, 99), (None, 5, 6)]
    clean = Scrubber()
    for text in (table(("a", "b", "c"), rows), separated("4711 123456   99")):
        assert clean.clean(text) == text and "123456" in text


def test_a_part_that_fails_says_so_and_says_no_value() -> None:
    def broken() -> list[str]:
        raise ValueError(NAME)

    def away() -> list[str]:
        raise NotThereError("psql is not on this machine.")

    collected = _collected(Part("x", "about", broken), Scrubber())
    assert "ValueError" in collected.text and NAME not in collected.text + collected.problem
    assert "psql is not on this machine." in _collected(Part("x", "about", away), Scrubber()).text


def test_history_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    history = History(tmp_path, kept=10, surplus=5)
    for number in range(38):
        history.add(str(number))
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert lines[-1] == "37" and 10 <= len(lines) <= 15
    again = History(tmp_path, kept=10, surplus=5)
    for number in range(38, 60):
        again.add(str(number))
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) <= 15


def test_epochs_make_no_secret_of_the_names_of_connections(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    start_epoch(tmp_path / "keys", ["production-eu-west", "other"])
    settings = load_settings(environment={"APPLIANCE_STATE_DIR": str(tmp_path)})
    text = "copy from production-eu-west failed"
    assert scrubber(settings).clean(text) == text
