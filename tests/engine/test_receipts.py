"""Each run signs a receipt before its twin is public: what it says, and who can check it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from tests.engine.scenario import CANARY, Ended, Scenario


def receipt(scenario: Scenario, *arguments: str) -> Ended:
    """Run ``appliance receipt``, with the state folder where it takes one."""
    return scenario.command("receipt", *arguments, "--state", str(scenario.state))


def files(scenario: Scenario) -> list[Path]:
    return sorted((scenario.state / "receipts").glob("0*.json"))


def statement_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Envelope.from_dict(json.loads(path.read_text())).payload)
    return found


def test_a_run_is_signed_and_checked_by_us_and_without_us(scenario: Scenario, tmp_path: Path) -> None:
    scenario.workflow["deliver"].append({"files": {"format": "csv"}})
    scenario.workflow["keep"] = ["public.invoice.*", {"column": "crm.customer.id", "because": "a number"}]
    scenario.policy = {"destinations": ["files"]}
    ended = scenario.run()
    assert ended.code == 0, ended.text
    (path,) = files(scenario)

    # With the library alone.
    key = tmp_path / "receipts.pub"
    key.write_text(receipt(scenario, "key").out)
    public = SSlibKey.from_crypto(load_pem_public_key(key.read_bytes()))
    envelope = Envelope.from_dict(json.loads(path.read_text()))
    assert list(envelope.verify([public], 1)) == [public.keyid]
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([public], 1)

    statement = statement_of(path)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    names = [each["name"] for each in statement["subject"]]
    assert names[0] == "twin/staging" and "files/crm.customer.csv.gz" in names
    said = statement["predicate"]
    assert (said["outcome"], said["asked_by"]["kind"]) == ("released", "command line")
    by_table = {each["table"]: each for each in said["tables"]}
    customer = by_table["crm.customer"]
    assert (customer["rows_source"], customer["rows_twin"]) == (300, 300)
    masked = {each["column"]: each for each in customer["masked"]}
    assert masked["email"]["mask"] == "email" and masked["email"]["equal"] == 300
    assert customer["kept"][0]["because"] == "a number"
    assert by_table["public.invoice"]["kept"][0]["rule"] == "public.invoice.*"
    assert scenario.source.host not in json.dumps(said) and CANARY not in json.dumps(said)

    good = receipt(scenario, "verify", str(path), "--key", str(key))
    assert (good.code, "good, receipt 1" in good.out) == (0, True), good.text
    assert (
        receipt(
            scenario, "audit", said["run"], "--connections", str(scenario.folder / "connections.yaml")
        ).code
        == 0
    )
    shown = receipt(scenario, "show", said["run"])
    assert "released" in shown.out and statement["subject"][0]["digest"]["sha256"] in shown.out


def test_what_users_write_into_the_twin_shows_in_an_audit(scenario: Scenario) -> None:
    assert scenario.run().code == 0
    connections = str(scenario.folder / "connections.yaml")
    scenario.target.sql(scenario.twin, "UPDATE public.invoice SET total = total + 1 WHERE id = 7")
    scenario.target.sql(scenario.twin, "CREATE TABLE public.mine (id int)")
    audited = receipt(scenario, "audit", "1", "--connections", connections)
    assert audited.code == 1
    lines = [line.strip() for line in audited.out.splitlines()]
    assert "public.invoice has other rows" in lines and "public.mine is new" in lines
    assert not any("crm.customer" in line for line in lines)
    scenario.target.sql(scenario.twin, "UPDATE public.invoice SET total = total - 1 WHERE id = 7")
    scenario.target.sql(scenario.twin, "DROP TABLE public.mine")
    assert receipt(scenario, "audit", "1", "--connections", connections).code == 0


def test_two_runs_make_a_chain_and_equal_twins_equal_digests(scenario: Scenario) -> None:
    assert scenario.run().code == 0 and scenario.run().code == 0
    first, second = files(scenario)
    one, two = statement_of(first), statement_of(second)
    assert one["subject"][0]["digest"] == two["subject"][0]["digest"]
    digest = subprocess.run(["sha256sum", first], capture_output=True, text=True, check=True).stdout.split()[
        0
    ]
    assert two["predicate"]["link"]["previous"] == digest
    listed = receipt(scenario, "list")
    assert (listed.code, listed.out.count("good")) == (0, 2), listed.text
    second.unlink()
    missing = receipt(scenario, "list")
    assert missing.code == 1 and "ends with receipt 2" in missing.err


def test_a_run_that_failed_after_it_touched_a_target_has_one_too(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    scenario.target.sql("postgres", f"CREATE ROLE holder_{scenario.twin} SUPERUSER LOGIN")
    with scenario.target.connect(scenario.twin):
        failed = scenario.run()
    assert failed.code == 1 and "was not swapped" in failed.text
    outcomes = [statement_of(path)["predicate"]["outcome"] for path in files(scenario)]
    assert outcomes == ["released", "released", "failed"]
    last = statement_of(files(scenario)[-1])["predicate"]
    assert last["failed_step"] == "publish" and last["tables"]


def test_a_run_that_touched_nothing_has_none(scenario: Scenario) -> None:
    del scenario.workflow["masks"]["crm.customer.email"]
    assert scenario.run().code == 3
    assert files(scenario) == []


def test_without_a_receipt_nothing_is_published(scenario: Scenario) -> None:
    scenario.publish_first_twin()
    # Where receipts belong there is something else: nothing can be written there, by any user.
    (scenario.state / "receipts").rename(scenario.state / "elsewhere")
    (scenario.state / "receipts").write_text("")
    failed = scenario.run()
    assert failed.code == 1 and "not published without a receipt" in failed.text and "Next: " in failed.text
    assert scenario.twin_is_the_former()
    scenario.assert_nothing_left()


def test_rows_that_stand_alone_are_counted_and_policy_may_refuse_them(scenario: Scenario) -> None:
    scenario.source.sql(scenario.source_database, "ALTER TABLE crm.customer ADD city text, ADD born date")
    scenario.source.sql(
        scenario.source_database,
        "UPDATE crm.customer SET city = CASE WHEN id <= 2 THEN 'Bree' ELSE 'Shire' END, born = '2000-01-01'",
    )
    scenario.objects_at_first = scenario.source_objects()
    scenario.workflow["keep"] += ["crm.customer.city", "crm.customer.born"]
    scenario.workflow["quasi"] = {"crm.customer": ["city", "borne"]}
    wrong = scenario.run("plan")
    assert wrong.code == 2 and "names no column: crm.customer.borne" in wrong.text
    scenario.workflow["quasi"] = {"crm.customer": ["city", "born"]}
    assert scenario.run().code == 0
    said = statement_of(files(scenario)[0])["predicate"]["groups"]
    assert said == [
        {"table": "crm.customer", "columns": ["city", "born"], "k": 5}
        | {"smallest": 2, "rows": 300, "rows_below": 2}
    ]
    scenario.policy = {"k_anonymity": 3}
    refused = scenario.run()
    assert refused.code == 3 and "2 of 300 rows share city, born with fewer than 2 others" in refused.text
    scenario.assert_nothing_left()
