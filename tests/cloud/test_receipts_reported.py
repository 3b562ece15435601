"""What the dashboard gets of receipts: where the chain ends, and the whole only where policy shares it."""

from __future__ import annotations

import pytest

from appliance.cloud.receipts import chain_end
from appliance.orchestration.receipts import tell_signed
from appliance.receipts.book import ReceiptBook
from appliance.receipts.signing_key import load_or_create_signing_key, public_pem
from tests.cloud.appliance_rig import POLICY, ApplianceRig
from tests.cloud.conftest import CloudSide
from tests.unit.test_receipts import statement


def book_of(rig: ApplianceRig) -> ReceiptBook:
    return ReceiptBook(rig.settings.receipts_dir, rig.settings.keys_dir)


@pytest.mark.parametrize("shared", [False, True])
def test_the_whole_receipt_leaves_only_where_policy_says_so(rig: ApplianceRig, shared: bool) -> None:
    rig.write_policy({**POLICY, "share_receipts": shared})
    _, signed = book_of(rig).append("shop-1", lambda link: statement(link, "shop-1"))
    tell_signed(rig.settings, rig.store, signed)
    (row,) = rig.db.execute("SELECT payload FROM appliance.event WHERE kind = 'receipt_signed'").fetchall()
    event = row["payload"]
    assert (event["digest"], event["tables"], event["masked"]) == (signed.digest, 1, 1)
    assert event.get("receipt") == (signed.content.decode() if shared else None)
    assert "customer" not in str({key: value for key, value in event.items() if key != "receipt"})


def test_each_heartbeat_says_where_the_chain_ends(enrolled: ApplianceRig, cloud: CloudSide) -> None:
    book_of(enrolled).make_key()
    end = chain_end(enrolled.settings.receipts_dir)
    assert end is not None and (end.number, end.digest) == (0, None) and end.public_key is not None
    _, signed = book_of(enrolled).append("shop-1", statement)
    enrolled.beat_now()

    def heard() -> bool:
        state = cloud.api.get(f"/v1/appliances/{cloud.appliance_id}").raise_for_status().json()
        return signed.digest in str(state)

    enrolled.turn_until(heard)
    state = str(cloud.api.get(f"/v1/appliances/{cloud.appliance_id}").json())
    pem = public_pem(load_or_create_signing_key(enrolled.settings.keys_dir))
    assert pem.splitlines()[1] in state
