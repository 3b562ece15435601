"""``subjects`` of a workflow: what is wrong with them, by the document alone and with a catalog."""

from __future__ import annotations

import pytest

from appliance.documents.problems import WrongDocumentError
from appliance.masking.compiler import check_column
from appliance.masking.foreign_keys import End, reference_problem
from appliance.policy.policy import Policy, check_workflow
from appliance.workflow.catalog import Catalog, Column, SpecialKey, Table
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.loading import document_yaml, parse_workflow
from appliance.workflow.matching.rules import Matching, SelectedTable, match_rules

DOCUMENT = """
id: a
source: p
tables: {include: ["public.*", "crm.*"]}
keep: ["*.*.*"]
deliver: [{twin: {connection: s}}]
subjects:
  customer:
    table: public.customer
    key: %s
    also: %s
"""


def _column(name: str, kind: str = "text", *, unique: bool = False, not_null: bool = False) -> Column:
    return Column(
        schema_name="",
        table_name="",
        name=name,
        position=1,
        type=kind,
        base_type=kind,
        type_kind="base",
        base_kind="base",
        unique_alone=unique,
        not_null=not_null,
    )


def _table(schema: str, name: str, columns: list[Column], **more: object) -> Table:
    own = [each.model_copy(update={"schema_name": schema, "table_name": name}) for each in columns]
    facts = {"schema_name": schema, "name": name, "oid": hash((schema, name)), "kind": "table", **more}
    return Table.model_validate({**facts, "columns": own})


def catalog(**special: object) -> Catalog:
    customer = [
        _column("id", "integer", unique=True, not_null=True),
        _column("email", unique=True),
        _column("nick"),
        _column("code", "integer", unique=True),
    ]
    orders = [
        _column("id", "integer", unique=True, not_null=True),
        _column("customer_id", "bigint"),
        *(_column("ref", "uuid"), _column("code", "integer"), _column("email"), _column("name")),
    ]
    lead = [_column("email", unique=True), _column("nick"), _column("full_name"), _column("mails", "text")]
    return Catalog(
        server_version=150000,
        database="d",
        encoding="UTF8",
        locale_provider="libc",
        collate="C",
        ctype="C",
        tables=(
            _table("public", "customer", customer, primary_key=("id",), **special),
            _table("public", "orders", orders, primary_key=("id",)),
            _table("crm", "lead", lead),
            _table("audit", "log", [_column("who", "integer")]),
        ),
    )


def matched(also: str, key: str = "id", known: Catalog | None = None) -> Matching:
    loaded = parse_workflow(DOCUMENT % (key, also), "w.yaml")
    return match_rules(loaded.workflow, known or catalog(), loaded.document.places())


def selected(matching: Matching, name: str) -> SelectedTable:
    return next(each for each in matching.tables if each.table.qualified == name)


@pytest.mark.parametrize(
    ("key", "also", "said"),
    [
        ("idd", "[]", "w.yaml:10: subjects.customer.key: public.customer has no column `idd`"),
        ("nick", "[]", "w.yaml:10: subjects.customer.key: public.customer (nick) is not unique"),
        ("id", "[public.order.customer_id]", "there is no table `public.order` in the source"),
        ("id", "[public.orders.custmer_id]", "did you mean customer_id?"),
        ("id", "[public.orders.ref]", "it is not known which column of public.customer"),
        (
            "id",
            "[{column: public.orders.ref, via: id}]",
            "is of the type uuid, and the key customer.id of integer",
        ),
        ("id", "[{column: public.orders.ref, via: email}]", "two that can be compared"),
        ("id", "[public.orders.code]", "could hold public.customer.id, or public.customer.code"),
        ("id", "[crm.lead.nick]", "public.customer.nick, which is not unique: a row could be of several"),
        (
            "id",
            "[{column: crm.lead.email, via: emial}]",
            "subjects.customer.also[0].via: public.customer has no",
        ),
        ("id", "[audit.log.who]", "`audit.log` is not copied"),
    ],
)
def test_what_does_not_fit_the_source_is_an_error_with_its_place(key: str, also: str, said: str) -> None:
    (problem,) = matched(also, key).problems
    assert said in problem.text()
    assert problem.line is not None


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        ("{none: {table: public.customer, key: id}}", "calls a subject `none`"),
        ("{a: {table: public.*, key: id}}", "`public.*` is not one table"),
        ("{a: {table: public.c, key: id, also: [public.c.x]}}", "of its own table without a name"),
        ("{a: {table: public.c, key: id, also: [x.y.z, x.y.z]}}", "lists x.y.z twice"),
        ("{a: {table: public.c, key: id, also: [[x.y.z, x.v.z]]}}", "has columns of several tables"),
        ("{a: {table: public.c, key: [b, c, d], also: [[x.y.z, x.y.v]]}}", "has 3 columns in its key, and 2"),
        ("{a: {table: public.c, key: id, also: [{column: x.y.z, vai: id}]}}", "did you mean via?"),
        (
            "{a: {table: public.c, key: id, also: [x.y.z]}, b: {table: public.d, key: id,"
            " also: [{column: x.y.v, name: a}]}}",
            "has two subjects called `a` in x.y",
        ),
    ],
)
def test_what_is_wrong_by_itself_is_found_without_a_source(subjects: str, said: str) -> None:
    text = DOCUMENT.partition("subjects:")[0] + f"subjects: {subjects}"
    with pytest.raises(WrongDocumentError) as error:
        parse_workflow(text, "w.yaml")
    assert said in str(error.value)
    assert "w.yaml:7: subjects" in str(error.value)


def test_a_document_with_subjects_reads_back_as_the_same() -> None:
    also = (
        "[public.orders.customer_id, [a.b.c], {column: crm.lead.email, name: payer}, {column: x.y.z, via: q}]"
    )
    workflow = parse_workflow(DOCUMENT % ("id", also), "w.yaml").workflow
    assert (
        parse_workflow(
            document_yaml(workflow.model_dump(mode="json", exclude_unset=True)), "again.yaml"
        ).workflow
        == workflow
    )


def test_a_column_holds_what_its_name_or_its_type_says() -> None:
    matching = matched("[public.orders.customer_id, public.orders.email, crm.lead.email]")
    assert not matching.problems
    (orders,), (lead,) = selected(matching, "public.orders").links, selected(matching, "crm.lead").links
    assert orders.said == "customer by customer_id, else email"
    assert [way.lookup is not None for way in orders.ways] == [False, True]
    assert lead.unique and lead.looks_up


def test_what_is_unique_in_small_letters_is_looked_up_so() -> None:
    lower = SpecialKey(name="i", expressions=("lower(nick)",), reads=("nick",))
    (link,) = selected(matched("[crm.lead.nick]", known=catalog(special_keys=[lower])), "crm.lead").links
    assert link.ways[0].lookup is not None and link.ways[0].lookup.folded
    partial = lower.model_copy(update={"predicate": "(id > 7)"})
    (problem,) = matched("[crm.lead.nick]", known=catalog(special_keys=[partial])).problems
    assert "which is not unique" in problem.what


def _said(matching: Matching, table: str, column: str, mask: object) -> list[str]:
    one = selected(matching, table)
    own = next(each for each in one.table.columns if each.name == column)
    return check_column(one.table, own, MaskSpec.model_validate(mask), links=one.links)


def test_a_mask_says_whose_value_it_is_where_a_row_is_about_two() -> None:
    two = "[{column: public.orders.customer_id, name: payer}, {column: public.orders.email, name: payee}]"
    matching = matched(two)
    (problem,) = _said(matching, "public.orders", "name", "full_name")
    assert "`subject: payer`, `subject: payee`, or `subject: none`" in problem
    for subject in ("payer", "payee", "none", "code"):
        assert not _said(matching, "public.orders", "name", {"mask": "full_name", "subject": subject})
    assert not _said(matching, "public.orders", "name", "company")
    (problem,) = _said(matching, "public.orders", "name", {"mask": "full_name", "subject": "buyer"})
    assert "has no column `buyer`" in problem and "payer, payee" in problem


def test_a_unique_column_stays_unique_only_where_each_row_is_another_persons() -> None:
    matching = matched("[crm.lead.email, {column: crm.lead.nick, via: email}]")
    (problem,) = _said(matching, "crm.lead", "email", "email")
    assert "draws from customer by email, else nick (`subject: none` lets the value decide)" in problem
    assert not _said(matching, "crm.lead", "email", {"mask": "email", "subject": "none"})
    assert not _said(matched("[crm.lead.email]"), "crm.lead", "email", "email")
    assert not _said(matched("[crm.lead.email]"), "public.customer", "email", "email")


def test_a_foreign_key_is_followed_only_by_what_looks_its_subject_up() -> None:
    matching = matched("[crm.lead.email, public.orders.customer_id]")
    mask = MaskSpec(mask="email")
    ends = {
        name: End(one.table, next(c for c in one.table.columns if c.name == "email"), mask, one.links)
        for name in ("public.customer", "crm.lead", "public.orders")
        for one in (selected(matching, name),)
    }
    assert reference_problem(ends["crm.lead"], ends["public.customer"]) is None
    why = reference_problem(ends["public.orders"], ends["public.customer"])
    assert why is not None and "`subject: none`" in why


@pytest.mark.parametrize(
    ("pattern", "refused"), [("public.customer", True), ("Public.Cust*", True), ("a.*", False)]
)
def test_no_one_is_looked_up_in_what_may_not_be_copied(pattern: str, refused: bool) -> None:
    text = (DOCUMENT % ("id", "[crm.lead.email]")).replace('"public.*", ', "")
    workflow: Workflow = parse_workflow(text, "w.yaml").workflow
    matching = match_rules(workflow, catalog())
    assert not matching.problems
    policy = Policy(never_copy=(pattern,))
    found = check_workflow(policy, workflow, matching, origin="local")
    assert [each.rule for each in found] == (["never_copy"] if refused else [])
