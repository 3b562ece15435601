"""An erasure reaches every copy, and later runs bring no subject back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from appliance.cli.work.copies.copies import note_gone
from appliance.erasure.carrying import Erasing
from tests.engine.clusters import Cluster
from tests.engine.erasure_shop import CUSTOMERS, GONE, TABLES, ErasureShop
from tests.engine.scenario import Scenario


@pytest.fixture
def shop(
    source: Cluster, target: Cluster, source_database: str, twin_database: str, tmp_path: Path
) -> ErasureShop:
    source.sql(source_database, TABLES)
    return ErasureShop(Scenario(tmp_path, source, source_database, target, twin_database))


def test_a_subject_is_in_no_copy_afterwards_and_in_no_later_one(shop: ErasureShop) -> None:
    shop.scenario.workflow["deliver"][0]["twin"]["golden"] = True
    shop.delivered()
    shop.delivered()
    shop.branch("pay", "golden")
    shop.branch("old", "former")
    shop.fetched_by("anna")
    others = {name: shop.rows_in(shop.scenario.target, name, "tag = 'other'") for name in shop.databases()}
    assert len(others) == 5
    assert shop.addresses_met() == (CUSTOMERS, CUSTOMERS)
    # The subject is there, in every copy.
    assert len(shop.about_the_subject()) == 5 + len(shop.files())
    ended = shop.erasure("run", "--yes", "--reference", "REQ-17")
    assert ended.code == 0, ended.text
    (receipt,) = shop.receipts()
    assert (receipt.outcome, receipt.reference) == ("done", "REQ-17")
    kinds = sorted(place.kind for place in receipt.places)
    assert kinds == [
        "branch", "branch", "files", "files", "former twin", "golden copy", "pull", "source", "twin"
    ]  # fmt: skip
    (pull,) = [place for place in receipt.places if place.kind == "pull"]
    assert (pull.state, pull.name.split("/")[0]) == ("left to others", "anna")
    assert receipt.removed >= 5 * 15
    assert "left to others" in ended.out
    assert shop.about_the_subject() == {}
    for name, counts in others.items():
        assert shop.rows_in(shop.scenario.target, name, "tag = 'other'") == counts
    # Not free of the subject before the person says so.
    checked = shop.erasure("verify", *[each["id"] for each in shop.listed()])
    assert checked.code == 1 and "appliance copies gone" in checked.out, checked.text
    note_gone(pull.name, "Anna says so.", shop.scenario.state)
    checked = shop.erasure("verify", *[each["id"] for each in shop.listed()])
    assert checked.code == 0, checked.text
    # The source still has the subject: a run leaves it out, and says so.
    ended = shop.delivered()
    assert "about erased subjects: 15 rows" in ended.text
    # What is not copied is not looked at either.
    assert shop.addresses_met() == (CUSTOMERS - 1, CUSTOMERS - 1)
    assert shop.about_the_subject() == {}
    assert (
        shop.rows_in(shop.scenario.target, shop.scenario.twin, "tag = 'other'") == others[shop.scenario.twin]
    )
    assert shop.scenario.twin_rows("SELECT count(*) FROM customer WHERE referred_by IS NOT NULL") == [(0,)]
    assert shop.scenario.source_rows(f"SELECT count(*) FROM customer WHERE tag = '{GONE}'") == [(1,)]
    again = shop.erasure("run", "--yes")
    assert again.code == 0, again.text
    assert len(shop.listed()) == 1
    # Nor do a plan and a preview look at the subject's rows, also where free SQL chooses them.
    planned = shop.scenario.run("plan").text
    assert f"{CUSTOMERS - 1} of {CUSTOMERS - 1} values look like an e-mail" in planned
    assert f"of {CUSTOMERS} values" not in planned
    for rows, others_left in (({}, CUSTOMERS - 1), ({"public.customer": {"where": "id > 6"}}, CUSTOMERS - 7)):
        shop.scenario.workflow["rows"] = rows
        shown = shop.scenario.run("preview", "--json", "--rows", "100", "--table", "customer")
        (table,) = json.loads(shown.out)["tables"]
        assert len(table["rows"]) == others_left, shown.text


def test_a_subject_is_found_where_its_addresses_are_drawn_from_its_key(shop: ErasureShop) -> None:
    linked = {
        "table": "public.customer",
        "key": "id",
        "also": ["public.lead.email", "public.orders.customer_id"],
    }
    shop.scenario.workflow["subjects"] = {"customer": linked}
    shop.delivered()
    twin = shop.scenario.twin
    same = "SELECT count(*) FROM lead JOIN customer USING (email)"
    assert shop.scenario.target.rows(twin, same) == [(CUSTOMERS,)]
    assert shop.about_the_subject()
    ended = shop.erasure("run", "--yes")
    assert ended.code == 0, ended.text
    assert shop.about_the_subject() == {}
    assert shop.scenario.target.rows(twin, same) == [(CUSTOMERS - 1,)]
    shop.delivered()
    assert shop.about_the_subject() == {}
    assert shop.scenario.target.rows(twin, same) == [(CUSTOMERS - 1,)]


def test_a_place_that_is_away_stays_open_and_the_source_comes_last(shop: ErasureShop) -> None:
    # An archive cannot be searched for rows: the export goes as a whole.
    shop.scenario.workflow["deliver"] = [
        *shop.scenario.workflow["deliver"],
        {"files": {"format": "archive"}},
    ]
    shop.delivered()
    connections = shop.scenario.connections
    connections["writer"] = shop.scenario.source.connection(shop.scenario.source_database, "postgres")
    shop.document()["writes_with"] = "writer"
    port, connections["staging"]["port"] = connections["staging"]["port"], 1
    ended = shop.erasure("run", "--yes")
    assert ended.code == 1, ended.text
    assert "stays open: 2 places" in ended.err
    assert "waits until no copy is open" in ended.out
    assert list(shop.about_the_subject()) == [shop.scenario.twin], "the files could be reached"
    assert shop.files() == []
    assert "A subject in it was erased" in (shop.scenario.state / "exports/deletions.jsonl").read_text()
    assert shop.gone_from_source() == 0
    (receipt,) = shop.receipts()
    away = [place for place in receipt.places if place.kind == "twin"]
    assert (receipt.outcome, [place.state for place in away]) == ("open", ["open"])
    assert "Nothing listens" in away[0].why and str(connections["production"]["host"]) not in away[0].why
    connections["staging"]["port"] = port
    receipts = shop.scenario.state / "receipts"
    receipts.rename(receipts.with_name("aside"))
    receipts.write_text("in the way")
    ended = shop.erasure("run", "--yes")
    assert ended.code == 1 and "an erasure stays open" in ended.err
    assert shop.listed()[0]["ended_at"] is None
    receipts.unlink()
    receipts.with_name("aside").rename(receipts)
    ended = shop.erasure("run", "--yes")
    assert ended.code == 0, ended.text
    assert [each.outcome for each in shop.receipts()] == ["open", "done"]
    assert shop.receipts()[1].removed >= 15, "what the pass without a receipt removed is in the next one's"
    assert shop.about_the_subject() == {}
    (record,) = shop.listed()
    assert {place["kind"]: place["state"] for place in record["places"]} == {
        "twin": "done",
        "files": "done",
        "source": "done",
    }
    kept = shop.rows_in(shop.scenario.source, shop.scenario.source_database, f"tag = '{GONE}'")
    assert kept == {"invoice": 1, "payment": 1, "spending": 1}, (
        "a view of the source is its owner's to refresh"
    )
    # Nothing is left to find, by the value that the source no longer has.
    again = shop.erasure("run", "--yes")
    assert again.code == 0, again.text
    assert [each["id"] for each in shop.listed()] == [record["id"]]
    shop.restore_the_source()
    assert "about erased subjects: 15 rows" in shop.delivered().text
    assert shop.about_the_subject() == {}


def test_a_twin_is_reached_that_only_the_ledger_knows_and_policy_still_allows(shop: ErasureShop) -> None:
    shop.scenario.workflow["deliver"] = shop.scenario.workflow["deliver"][:1]
    shop.delivered()
    shop.scenario.policy["write"] = []
    ended = shop.erasure("run", "--yes")
    assert ended.code == 1 and "be written to (rule write)" in ended.text
    assert shop.listed()[0]["ended_at"] is None and len(shop.about_the_subject()) == 1
    del shop.scenario.policy["write"]
    # As after a restore onto a new machine: a backup has the ledger, and no run's folder.
    shutil.move(shop.scenario.state / "runs", shop.scenario.folder / "runs")
    ended = shop.erasure("run", "--yes")
    assert ended.code == 1 and "a new run is without the subject" in ended.text, ended.text
    assert len(shop.about_the_subject()) == 1
    shop.delivered()
    # The former twin is still of the run whose plan is gone; it goes with the next run.
    shop.delivered()
    ended = shop.erasure("run", "--yes")
    assert ended.code == 0, ended.text
    assert shop.about_the_subject() == {} and shop.listed()[0]["ended_at"] is not None


def test_what_is_wrong_is_said_before_anything_is_looked_for(shop: ErasureShop) -> None:
    shop.delivered()
    two = shop.erasure("plan", value="Person 7", by="name")
    assert two.code == 2
    assert "not found by 'name'" in two.err
    shop.document()["find_by"] = ["email", "name"]
    shop.scenario.source.sql(
        shop.scenario.source_database, "UPDATE customer SET name = 'Person 7' WHERE id = 8"
    )
    two = shop.erasure("plan", value="Person 7", by="name")
    assert two.code == 2
    assert "More than one row" in two.err
    odd = shop.erasure("plan", value="no number", by="id")
    assert odd.code == 2
    assert "no value that public.customer.id can have" in odd.err
    shop.value.chmod(0o644)
    others = shop.erasure("plan", value=None)
    assert others.code == 2
    assert "No terminal is there" in others.err
    shop.document()["max_rows"] = 3
    many = shop.erasure("run", "--yes", value="7", by="id")
    assert many.code == 1
    assert "max_rows is 3" in many.out
    assert shop.about_the_subject()
    del shop.subjects["subjects"]["customer"]["rows"]["public.vote"]
    refused = shop.scenario.run("plan")
    assert refused.code == 0, refused.text
    shop.write_subjects()
    refused = shop.scenario.run("plan")
    assert refused.code == 2
    assert "public.vote (review_id) refers to public.review" in refused.err


class Killed(BaseException):
    """As by SIGKILL: nothing of the process runs any more."""


def killed(*_: object) -> None:
    raise Killed


def test_an_erasure_that_is_killed_after_any_place_goes_on(
    shop: ErasureShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.delivered()
    others = {name: shop.rows_in(shop.scenario.target, name, "tag = 'other'") for name in shop.databases()}
    lines = shop.lines_of_others()
    erasing = shop.erasing()
    looked = erasing.look()
    rows = {place.name: sum(each.before for each in place.tables) for place in looked}
    # The rows of the first place are gone, and nothing has noted it.
    with monkeypatch.context() as cut, pytest.raises(Killed):
        cut.setattr(Erasing, "_noted", killed)
        shop.erasing().run(looked, lambda _: None)
    looked = shop.erasing().look()
    for last in range(1, len(looked)):
        noted = []

        def tell(text: str, noted: list[str] = noted, last: int = last) -> None:
            noted.append(text)
            if len(noted) == last:
                raise Killed

        with pytest.raises(Killed):
            shop.erasing().run(looked, tell)
    # Between the two renames of an export.
    path = shop.files()[0].parent
    path.rename(path.with_name(f".{path.name}.deleting"))
    path.with_name(f".{path.name}.deleting").joinpath("manifest.json").replace(
        shutil.copytree(path.with_name(f".{path.name}.deleting"), path.with_name(f".{path.name}.unfinished"))
        / "manifest.json"
    )
    record = shop.erasing().run(looked, lambda _: None)
    assert not record.is_open
    # What went is counted in full, in whichever pass it went.
    assert {place.name: place.removed for place in record.places if place.kind != "source"} == {
        place.name: rows[place.name] for place in looked if place.kind != "source"
    }
    assert shop.about_the_subject() == {}
    assert shop.lines_of_others() == lines
    assert len(shop.listed()) == 1
    for name, counts in others.items():
        assert shop.rows_in(shop.scenario.target, name, "tag = 'other'") == counts
