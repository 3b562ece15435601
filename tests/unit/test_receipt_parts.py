"""What authors write values into is in a receipt by a keyed digest: no guess can be tried without the key."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from appliance.contract.fields import document_digest
from appliance.postgres.twin.after_load import AfterLoadRecord, TableChange
from appliance.steps.records.receipt_parts import after_load_facts, filter_facts, workflow_facts
from appliance.steps.records.run_spec import RunSpec
from appliance.workflow.document import Workflow
from appliance.workflow.row_filter import RowFilter
from tests.cloud.appliance_rig import WORKFLOW

KEY, OTHER = b"k" * 32, b"o" * 32
CONDITION = "email = 'ann@shop.example'"


def spec(origin: Literal["local", "cloud"], **changes: Any) -> RunSpec:
    document = WORKFLOW | changes
    return RunSpec.model_construct(
        workflow=Workflow.model_validate(document), workflow_digest=document_digest(document), origin=origin
    )


def test_a_condition_is_known_again_here_and_guessed_nowhere() -> None:
    facts = filter_facts(KEY, "public.customer", RowFilter(where=CONDITION))
    assert facts == filter_facts(KEY, "public.customer", RowFilter(where=CONDITION))
    assert facts.where_keyed != filter_facts(OTHER, "public.customer", RowFilter(where=CONDITION)).where_keyed
    assert facts.where_sha256 is None
    assert hashlib.sha256(CONDITION.encode()).hexdigest() not in facts.model_dump_json()


def test_a_document_of_this_machine_with_a_condition_in_it_has_a_keyed_digest() -> None:
    rows = {"public.customer": {"where": CONDITION}}
    sql = [{"sql": "UPDATE customer SET email = 'ann@shop.example'"}]
    for changes in ({"rows": rows}, {"after_load": sql}):
        plain = document_digest(WORKFLOW | changes)
        local, cloud = (workflow_facts(KEY, spec(origin, **changes)) for origin in ("local", "cloud"))
        assert local.digest_keyed and local.digest != plain
        # The dashboard wrote it, and finds it again by what it knows.
        assert not cloud.digest_keyed and cloud.digest == plain
    assert workflow_facts(KEY, spec("local")).digest == document_digest(WORKFLOW)


def test_what_the_own_sql_changed_is_told_in_numbers_and_its_text_in_none() -> None:
    record = AfterLoadRecord(
        pieces=1,
        sha256="a" * 64,
        counted=True,
        changes=(TableChange(table="public.customer", inserted=1, deleted=2),),
        made=("public.flag",),
        constraints_dropped=("customer customer_email_key",),
    )
    facts = after_load_facts(KEY, "shop__next", record)
    assert [(each.inserted, each.deleted) for each in facts.changes] == [(1, 2)]
    assert (facts.made, facts.constraints_dropped) == (record.made, record.constraints_dropped)
    assert record.sha256 not in facts.model_dump_json()
