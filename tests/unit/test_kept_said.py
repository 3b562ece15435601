"""What counts as found in a kept column, and how a run says what it has not proven."""

from __future__ import annotations

from appliance.postgres.proof.kept import KeptColumnLook, KeptTableLook, OriginalsMet
from appliance.steps.kept.said import found_lines


def met(**counts: int) -> OriginalsMet:
    return OriginalsMet(masked="public.person.name", texts=1000, **counts)


def test_one_telling_original_is_no_accident() -> None:
    assert met(telling=1, telling_different=1).found == 1


def test_a_word_counts_only_among_many_different_ones() -> None:
    assert met(words=400, words_different=3).found == 0
    assert met(words=40, words_different=30).found == 0
    assert met(words=60, words_different=30).found == 60


def test_a_column_that_somebody_has_judged_is_said_apart() -> None:
    columns = tuple(
        KeptColumnLook(column=name, because=because, values=9, kind="a phone number", looks_personal=2)
        for name, because in (("a", False), ("b", True))
    )
    open_ones, judged = found_lines([KeptTableLook(table="public.t", rows=9, columns=columns)])
    assert open_ones == ["public.t.a is kept: 2 of 9 values look like a phone number"]
    assert judged == ["public.t.b is kept: 2 of 9 values look like a phone number"]
