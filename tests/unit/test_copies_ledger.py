"""The ledger of copies distinguishes what stands at one place, and reads what earlier releases wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.copies.ledger import CopyKind, CopyMade, ended, made, note_ended, note_made

AT = datetime(2026, 1, 1, 2, 3, 4, 5678, tzinfo=UTC)


def copy(kind: CopyKind, hours: int = 0) -> CopyMade:
    return CopyMade(
        kind=kind,
        place=f"staging/shop_{kind}",
        run="shop-1",
        workflow="shop",
        source="production",
        made_at=AT + timedelta(hours=hours),
        asked_by="command line",
    )


def test_a_branch_that_is_made_again_is_another_copy_and_ends_by_itself(tmp_path: Path) -> None:
    first, second = copy("branch"), copy("branch", hours=1)
    note_made(tmp_path, [first, second, first])
    note_ended(tmp_path, first, "It was made again.")
    assert [each.key for each in made(tmp_path)] == [first.key, second.key]
    assert set(ended(tmp_path)) == {first.key}


def test_a_step_that_is_tried_again_notes_its_copy_once(tmp_path: Path) -> None:
    note_made(tmp_path, [copy("twin")])
    note_made(tmp_path, [copy("twin", hours=1)])
    assert made(tmp_path) == [copy("twin")]


def test_an_end_that_an_earlier_release_noted_is_that_of_the_copy_at_its_place(tmp_path: Path) -> None:
    note_made(tmp_path, [copy("twin"), copy("files")])
    place = '"place":"staging/shop_twin","run":"shop-1"'
    line = f'{{{place},"event":"ended","ended_at":"2026-01-03T00:00:00Z","why":"x"}}'
    with (tmp_path / "copies" / "copies.jsonl").open("a") as file:
        file.write(line + "\n")
    assert set(ended(tmp_path)) == {copy("twin").key}


def test_what_is_fetched_again_after_its_end_is_another_copy(tmp_path: Path) -> None:
    note_made(tmp_path, [copy("pull")])
    note_ended(tmp_path, copy("pull"), "Its owner says that it is gone.")
    note_made(tmp_path, [copy("pull", hours=1)])
    note_made(tmp_path, [copy("pull", hours=2)])
    stand = [each.key for each in made(tmp_path) if each.key not in ended(tmp_path)]
    assert stand == [copy("pull", hours=1).key]


def test_a_branch_that_is_extended_is_one_copy_with_its_new_end(tmp_path: Path) -> None:
    first = copy("branch").model_copy(update={"expires_at": AT + timedelta(days=1)})
    later = first.model_copy(update={"expires_at": AT + timedelta(days=9)})
    note_made(tmp_path, [first, copy("twin")])
    note_made(tmp_path, [later, later])
    assert made(tmp_path) == [later, copy("twin")]
