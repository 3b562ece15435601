"""What is suggested for columns that nothing covers: never ``keep`` in the dark, and lines that plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.discovery.comments import kind_by_comment
from appliance.documents.problems import Places
from appliance.errors import RefusedError
from appliance.masking.suggesting.column_names import guess_by_name
from appliance.masking.suggesting.suggestions import suggestions
from appliance.masking.suggesting.uncovered import lines_to_paste, refusal
from appliance.postgres.planning.columns import compile_tables
from appliance.workflow.catalog import Catalog, Column, ForeignKey, Table
from appliance.workflow.document import Workflow
from appliance.workflow.loading import parse_workflow
from appliance.workflow.matching.rules import Matching, match_rules
from tests.unit.example_documents import catalog, table, workflow
from tests.unit.masking_columns import column

BASE = "id: twin\nsource: production\ntables: {include: ['*.*']}\ndeliver: [{twin: {connection: staging}}]\n"
EVERYTHING = workflow(tables={"include": ["*.*"]})


def pasted(source: Catalog, asked: Workflow = EVERYTHING) -> tuple[Workflow, str]:
    """The workflow of a user who pastes what is suggested, and the lines."""
    lines = lines_to_paste(match_rules(asked, source), source.encoding)
    return parse_workflow(BASE + lines, "w.yaml").workflow, lines


def judged(source: Catalog, asked: Workflow) -> tuple[list[str], Matching]:
    """What the planner has against a workflow, without asking a server."""
    matching = match_rules(asked, source)
    compiled = compile_tables(matching.tables, Places(), source.encoding)
    said = [problem.text() for problem in (*matching.problems, *compiled.problems)]
    return said + list(compiled.warnings), matching


def suggested(*columns: Column, **facts: Any) -> dict[str, str]:
    """``keep``, a mask's name, or nothing, by column of one table."""
    made, _ = pasted(catalog(table("t", columns, **facts)))
    kept = {pattern.rpartition(".")[2]: "keep" for pattern in made.keep}
    return kept | {pattern.rpartition(".")[2]: spec.mask for pattern, spec in made.masks.items()}


@pytest.mark.parametrize(
    "type_name",
    ["jsonb", "json", "bytea", "xml", "text[]", "jsonb[]", "hstore", "inet", "uuid", "date", "bigint"],
)
@pytest.mark.parametrize("not_null", [True, False])
def test_nothing_that_could_hold_a_persons_data_is_kept(type_name: str, not_null: bool) -> None:
    facts = column("payload", type_name, not_null=not_null)
    assert suggested(facts, column("id", "integer", not_null=True), primary_key=("id",))["payload"] != "keep"


def test_a_type_that_is_not_known_is_left_to_a_person() -> None:
    odd = column("odd", "shop.thing", base_kind="composite", type_kind="composite", not_null=True)
    _, lines = pasted(catalog(table("t", [odd])))
    assert lines == "# decide: public.t.odd  # shop.thing: no mask without parameters fits"
    said_no = refusal(match_rules(EVERYTHING, catalog(table("t", [odd]))), "twin")
    assert said_no is not None and lines in said_no.text()


def test_what_no_value_can_make_personal_is_kept_and_says_why() -> None:
    enum = column("status", "public.status", base_kind="enum", type_kind="enum", not_null=True)
    columns = [
        column("id", "integer", not_null=True, unique_alone=True, from_sequence=True),
        column("active", "boolean", not_null=True),
        enum,
    ]
    _, lines = pasted(catalog(table("t", columns)))
    assert lines == (
        "keep:\n"
        "  - public.t.id  # integer: the database's own counting, from a sequence\n"
        "  - public.t.active  # boolean: true or false names no one\n"
        "  - public.t.status  # public.status: one of the labels that the schema itself lists"
    )


def test_a_fact_of_few_values_that_says_much_of_a_person_is_not_kept() -> None:
    religion = column("religion", "public.faith", base_kind="enum", type_kind="enum", enum_labels=("a",))
    assert suggested(column("has_disability", "boolean"), religion) == {
        "has_disability": "null",
        "religion": "null",
    }


def test_an_enum_with_an_address_among_its_labels_is_not_kept() -> None:
    labels = ("new", "ann.smith@example.com")
    agent = column("agent", "public.agent", base_kind="enum", type_kind="enum", enum_labels=labels)
    assert suggested(agent) == {"agent": "null"}
    held = agent.model_copy(update={"not_null": True})
    _, lines = pasted(catalog(table("t", [held])))
    assert "keep:" not in lines
    assert "# decide: public.t.agent" in lines
    assert "ann.smith" not in lines


def test_a_number_that_no_sequence_counts_is_not_kept() -> None:
    number = column("insurance_number", "bigint", not_null=True, unique_alone=True)
    assert suggested(number, unique_keys=(("insurance_number",),)) == {"insurance_number": "hash"}


def test_what_has_a_form_of_its_own_gets_the_mask_for_it() -> None:
    columns = [
        *(column(name) for name in ("iban", "card_number", "ip_address", "username", "postal_code")),
        column("last_login_ip", "inet"),
        column("mac_address", "macaddr"),
        column("latitude", "double precision"),
        column("home_longitude", "numeric"),
        column("device_id", "uuid", not_null=True),
        column("short_iban", "character varying(10)", not_null=True),
    ]
    assert suggested(*columns) == {
        "iban": "iban",
        "card_number": "card",
        "ip_address": "ip",
        "username": "username",
        "postal_code": "postcode",
        "last_login_ip": "ip",
        "mac_address": "mac",
        "latitude": "position",
        "home_longitude": "position",
        "device_id": "uuid",
        "short_iban": "hash",
    }
    made, _ = pasted(catalog(table("t", columns)))
    axes = {
        pattern: spec.params.get("axis") for pattern, spec in made.masks.items() if spec.mask == "position"
    }
    assert axes == {"public.t.latitude": "latitude", "public.t.home_longitude": "longitude"}


def test_both_ends_of_a_foreign_key_get_one_answer() -> None:
    parent = table("person", [column("ssn", "character varying(40)", not_null=True, unique_alone=True)])
    key = ForeignKey(name="k", columns=("who",), to_schema="public", to_table="person", to_columns=("ssn",))
    child = table("visit", [column("who", "character varying(40)")], foreign_keys=[key])
    made, _ = pasted(catalog(parent, child))
    assert {pattern: spec.mask for pattern, spec in made.masks.items()} == {
        "public.person.ssn": "hash",
        "public.visit.who": "hash",
    }


def test_a_reference_follows_what_the_workflow_says_of_its_other_end() -> None:
    parent = table("person", [column("id", "bigint", not_null=True, unique_alone=True)])
    key = ForeignKey(name="k", columns=("who",), to_schema="public", to_table="person", to_columns=("id",))
    child = table("visit", [column("who", "bigint", not_null=True)], foreign_keys=[key])
    source = catalog(parent, child)
    masked = workflow(
        tables={"include": ["*.*"]}, masks={"public.person.id": {"mask": "hash", "domain": "p"}}
    )
    assert lines_to_paste(match_rules(masked, source)) == ""
    kept = lines_to_paste(
        match_rules(workflow(tables={"include": ["*.*"]}, keep=["public.person.id"]), source)
    )
    assert kept == "keep:\n  - public.visit.who  # bigint: refers to public.person.id, which is kept"
    loose = child.model_copy(update={"foreign_keys": (key.model_copy(update={"validated": False}),)})
    unsure = match_rules(
        workflow(tables={"include": ["*.*"]}, keep=["public.person.id"]), catalog(parent, loose)
    )
    assert lines_to_paste(unsure).startswith("# decide: public.visit.who")


def test_the_refusal_has_every_column() -> None:
    source = catalog(*(table(f"t{number}", [f"c{place}" for place in range(30)]) for number in range(30)))
    said_no = refusal(match_rules(EVERYTHING, source), "twin")
    assert isinstance(said_no, RefusedError)
    assert (said_no.exit_code, said_no.rule) == (3, "unlisted")
    assert "900 columns are neither masked nor kept, in public.t0, " in said_no.what
    assert all(
        f"public.t{number}.c{place}: null" in said_no.why for number in range(30) for place in range(30)
    )


ODD_NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=10
)


@given(st.dictionaries(ODD_NAMES, st.sets(ODD_NAMES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_pasted_lines_cover_columns_of_any_name(names: dict[str, set[str]]) -> None:
    tables = [
        table("t", sorted(columns)).model_copy(update={"name": name, "oid": oid})
        for oid, (name, columns) in enumerate(names.items())
    ]
    made, _ = pasted(catalog(*tables))
    said, matching = judged(catalog(*tables), made)
    assert (said, matching.uncovered) == ([], ())


TYPES = (
    """
    text|citext|character varying(3)|character varying(12)|character(40)|name|integer|bigint|smallint|numeric
    |double precision|boolean|uuid|date|timestamp with time zone|interval|jsonb|json|xml|bytea|inet|cidr|money
    |text[]|integer[]|jsonb[]|public.thing|int4range|tsvector
""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)
NAMES = ["id", "email", "phone", "name", "city", "note", "token", "birth_date", "gender", "x", "code", "ref"]


@st.composite
def sources(draw: st.DrawFn) -> Catalog:
    """Two or three tables with keys of any kind, between each other and inside."""
    tables: list[Table] = []
    for number in range(draw(st.integers(1, 3))):
        columns = []
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)):
            type_name = draw(st.sampled_from(TYPES))
            kind = {"public.thing": draw(st.sampled_from(["enum", "composite", "range"]))}.get(type_name)
            kind = "range" if type_name == "int4range" else kind
            facts: dict[str, Any] = {"base_kind": kind, "type_kind": kind} if kind else {}
            columns.append(
                column(
                    name,
                    type_name,
                    not_null=draw(st.booleans()),
                    unique_alone=draw(st.integers(0, 3)) == 0,
                    unique_partial=draw(st.integers(0, 7)) == 0,
                    from_sequence=draw(st.booleans()) and type_name in ("integer", "bigint"),
                    check_constraints=("c",) if draw(st.integers(0, 7)) == 0 else (),
                    enum_labels=("a", "b") if kind == "enum" else (),
                    **facts,
                )
            )
        names = [each.name for each in columns]
        keys = [tuple(draw(st.permutations(names))[: draw(st.integers(1, 2))]) for _ in range(2)]
        keys += [(each.name,) for each in columns if each.unique_alone]
        key = keys[0] if draw(st.booleans()) else ()
        made = table(f"t{number}", columns, unique_keys=keys, primary_key=key)
        foreign = []
        for other in [*tables, made]:
            if draw(st.booleans()):
                here = draw(st.sampled_from(names))
                there = draw(st.sampled_from([each.name for each in other.columns]))
                foreign.append(
                    ForeignKey(
                        name="f",
                        columns=(here,),
                        to_schema="public",
                        to_table=other.name,
                        to_columns=(there,),
                        validated=draw(st.booleans()),
                    )
                )
        tables.append(made.model_copy(update={"foreign_keys": tuple(foreign)}))
    return catalog(*tables)


@given(sources())
def test_the_planner_takes_every_line_that_is_suggested(source: Catalog) -> None:
    asked = match_rules(EVERYTHING, source)
    made, lines = pasted(source)
    said, matching = judged(source, made)
    undecided = lines.count("# decide: ")
    assert said == []
    assert len(matching.uncovered) == undecided
    assert len(made.masks) + len(made.keep) + undecided == len(asked.uncovered)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Фамилия", "last_name"),
        ("дата_рождения", "birth_date"),
        ("客户姓名", "full_name"),
        ("手机号码", "phone"),
        ("電話番号", "phone"),
        ("όνομα", "first_name"),
        ("이메일주소", "email"),
        ("nazwisko", "last_name"),
        ("příjmení", "last_name"),
        ("geboortedatum", "birth_date"),
        ("列", None),
        ("stav", None),
    ],
)
def test_names_in_other_scripts_and_languages_are_read(name: str, kind: str | None) -> None:
    guess = guess_by_name("x", name)
    assert (guess.kind if guess else None) == kind


@pytest.mark.parametrize(
    ("type_name", "comment", "kind"),
    [
        ("text", "Nachname des Patienten", "last_name"),
        ("text", "E-mail address, as the shop has it", "email"),
        ("text", "Social security number", "national_id"),
        ("date", "Date of birth", "birth_date"),
        ("integer", "e-mail address", None),
        ("text", "Colour of the product (not of its owner's e-mail)", None),
    ],
)
def test_a_comment_speaks_where_the_name_says_nothing(type_name: str, comment: str, kind: str | None) -> None:
    commented = column("c7", type_name)
    assert kind_by_comment(table("t", (commented,)), commented, comment) == kind


@pytest.mark.parametrize(
    ("place", "mask"),
    [
        ("session.user_agent", "user_agent"),
        ("visit.http_user_agent", "user_agent"),
        ("customer.state", "region"),
        ("billing_address.region", "region"),
        ("customer.province", "region"),
        ("customer.home_state", "region"),
        ("customer.mailing_address", "address"),
        ("customer.middle_name", "middle_name"),
        ("customer.initials", "initials"),
        ("customer.salutation", "title"),
        ("kunde.anrede", "title"),
        ("account.firma", "company"),
        ("tenant.domain", "domain"),
        ("customer.city", "city"),
    ],
)
def test_names_that_say_more_than_their_kind_get_the_mask_for_it(place: str, mask: str) -> None:
    owner, _, name = place.partition(".")
    found = suggestions(match_rules(workflow(tables={"include": ["*.*"]}), catalog(table(owner, [name]))))
    suggestion = found["public", owner, name]
    assert suggestion.mask is not None
    assert suggestion.mask.mask == mask


@pytest.mark.parametrize("place", ["orders.state", "server.region", "invoice.status", "film.title"])
def test_parts_of_an_address_are_none_in_tables_of_things(place: str) -> None:
    owner, _, name = place.partition(".")
    assert guess_by_name(owner, name) is None
