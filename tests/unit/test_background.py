"""What a service does by itself goes on after a fault, and ends when it is asked to."""

from __future__ import annotations

import threading

import pytest

from appliance.system import background
from appliance.system.background import Background


def test_a_fault_of_a_turn_ends_nothing_and_its_words_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(background, "AFTER_A_FAULT_S", 0.0)
    again, faults, turns = threading.Event(), [], iter([ValueError("a row: Ada"), None, KeyError("x")])

    def turn() -> float:
        fault = next(turns, None)
        if fault:
            raise fault
        if faults[1:]:
            again.set()
        return 0.001

    work = Background("Watching", turn, on_fault=faults.append)
    work.start()
    assert again.wait(300)
    work.stop()
    assert [type(fault) for fault in faults] == [ValueError, KeyError]
    said = capsys.readouterr().err
    assert "Watching failed: ValueError\n" in said and "Ada" not in said


def test_it_takes_no_turn_after_it_was_stopped() -> None:
    turns: list[int] = []
    ended = threading.Event()

    def turn() -> float:
        turns.append(1)
        work.stop()
        assert work.is_stopping
        work.rest(3600)
        ended.set()
        return 0.0

    work = Background("Watching", turn)
    work.start()
    assert ended.wait(300)
    for thread in threading.enumerate():
        if thread.name == "Watching":
            thread.join(300)
    assert turns == [1]
