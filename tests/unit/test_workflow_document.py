"""The workflow document: what is valid, what is refused and how, and that nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.documents.problems import WrongDocumentError
from appliance.workflow.document import MaskSpec, Workflow
from appliance.workflow.limits import Limits
from appliance.workflow.loading import document_yaml, load_workflow, parse_workflow
from appliance.workflow.matching.patterns import literal_pattern
from tests.unit.example_documents import WHOLE_WORKFLOW, workflow

SMALL = """\
id: twin
source: production
tables: {include: ["public.*"]}
deliver: [{twin: {connection: staging}}]
"""


def problems(text: str, *, as_json: bool = False) -> list[str]:
    with pytest.raises(WrongDocumentError) as caught:
        parse_workflow(text, "w.yaml", as_json=as_json)
    assert caught.value.exit_code == 2
    return [problem.text() for problem in caught.value.problems]


def test_a_whole_workflow_is_read() -> None:
    read = parse_workflow(WHOLE_WORKFLOW, "w.yaml").workflow
    assert read.id == "staging-twin"
    assert read.schedule == "0 2 * * *"
    assert read.timezone == "UTC"
    assert read.tables.exclude == ("public.audit_*",)
    assert (read.rows["public.invoice"].last_days, read.rows["public.invoice"].by) == (90, "created_at")
    assert read.masks["public.customer.phone"] == MaskSpec(mask="phone", params={"keep_prefix": 3})
    assert read.masks["*.*.ssn"].mask == "null"
    assert read.deliver[0].kind == "twin"
    assert read.connections == ("production", "staging")
    assert (read.limits.cpus, read.limits.retries) == (1.0, 2)


def test_a_workflow_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        workflow().id = "other"  # type: ignore[misc]


@pytest.mark.parametrize("word", ["null", '"null"', "NULL"])
def test_null_is_a_word_with_and_without_quotes(word: str) -> None:
    text = SMALL + f"masks: {{a.b.c: {word}, a.b.d: {{mask: {word}}}}}\nunlisted: {word}\n"
    read = parse_workflow(text, "w.yaml").workflow
    assert read.unlisted == "null"
    assert read.masks["a.b.c"] == read.masks["a.b.d"] == MaskSpec(mask="null")


def test_a_schedule_of_null_means_on_demand() -> None:
    for written in ("null", "~", ""):
        assert parse_workflow(SMALL + f"schedule: {written}\n", "w.yaml").workflow.schedule is None


def test_a_mask_or_unlisted_without_a_value_is_refused_and_not_taken_for_null() -> None:
    text = SMALL + "masks:\n  a.b.c:\n  a.b.d: ~\n  a.b.e: {mask: }\nunlisted:\n"
    assert problems(text) == [
        'w.yaml:6: masks."a.b.c": has no value; expected a mask\'s name, or null to write NULL',
        'w.yaml:7: masks."a.b.d": has no value; expected a mask\'s name, or null to write NULL',
        'w.yaml:8: masks."a.b.e".mask: has no value; expected a mask\'s name, or null to write NULL',
        "w.yaml:9: unlisted: has no value; expected halt, null or keep",
    ]


@pytest.mark.parametrize("written", ["1:30", "2024-01-01", "0755", "Email", "é"])
def test_what_is_no_masks_name_is_refused_as_it_was_written(written: str) -> None:
    (found,) = problems(SMALL + f"masks: {{a.b.c: {written}}}\n")
    assert f"`{written}` is not allowed; expected the name of a mask" in found


@pytest.mark.parametrize("written", ["true", "1.5", "12"])
def test_what_is_no_text_is_no_mask(written: str) -> None:
    (found,) = problems(SMALL + f"masks: {{a.b.c: {written}}}\n")
    assert "is not a mask; expected a mask's name, or {mask: name, …} with its parameters" in found


def test_a_mask_called_no_is_text_for_the_catalogue_to_judge() -> None:
    assert parse_workflow(SMALL + "masks: {a.b.c: no}\n", "w.yaml").workflow.masks["a.b.c"].mask == "no"


def test_all_errors_are_reported_at_once_with_line_key_path_and_what_was_expected() -> None:
    text = """\
id: Staging-
titel: x
schedule: 0 0 31 2 *
timezone: Mars
source:
tables: {include: []}
rows:
  public.x: {where: a, by: x}
masks:
  public.a.c: email
  public.a.c: phone
  public.a."d: email
deliver:
  - twin: {conection: staging}
  - twni: {}
limits: {parallel: "4", memory_mb: 1, cpus: yes, runtime: 5}
keep: public.x.y
"""
    names = ", ".join(Workflow.model_fields)
    limits = ", ".join(Limits.model_fields)
    assert problems(text) == [
        "w.yaml:1: id: `Staging-` is not allowed; "
        "expected 1 to 63 of a-z, 0-9 and -, with no - at either end",
        f"w.yaml:2: titel: is not a known key (did you mean title?); expected one of: {names}",
        "w.yaml:3: schedule: never comes: none of its months has such a day; "
        "expected a day that its months have",
        "w.yaml:4: timezone: `Mars` is not a time zone; expected an IANA name, for example Europe/Vienna",
        "w.yaml:5: source: nothing is not text; expected text, for example production",
        'w.yaml:6: tables.include: is empty; expected for example ["public.*", "crm.*"]',
        'w.yaml:8: rows."public.x": mixes or lacks keys; '
        "expected {last_days: 90, by: created_at} or {where: \"kind <> 'debug'\"}",
        'w.yaml:11: masks."public.a.c": the same key stands on lines 10 and 11; expected each key once',
        'w.yaml:12: masks."public.a.\\"d": the pattern `public.a."d` has a double quote that is not closed; '
        "expected schema.table.column, for example public.customer.email or public.customer.*",
        "w.yaml:14: deliver[0].twin.connection: is missing; expected for example staging",
        "w.yaml:14: deliver[0].twin.conection: is not a known key (did you mean connection?); "
        "expected one of: connection, grace_s, expires_days, golden",
        "w.yaml:15: deliver[1].twni: is not a known key (did you mean twin?); "
        "expected one of: twin, files, bucket, container",
        'w.yaml:16: limits.parallel: `"4"` is not a whole number; expected a whole number, for example 4',
        "w.yaml:16: limits.memory_mb: `1` is out of range; expected at least 128",
        "w.yaml:16: limits.cpus: `yes` is not a number; expected a number, for example 1",
        "w.yaml:16: limits.runtime: is not a known key (did you mean run_timeout_min?); "
        f"expected one of: {limits}",
        "w.yaml:17: keep: `public.x.y` is not a list; "
        'expected a list, for example ["public.*.id", "public.track.*"]',
    ]


def test_what_is_missing_is_named() -> None:
    assert [line.partition(";")[0] for line in problems("title: x\n")] == [
        "w.yaml:1: id: is missing",
        "w.yaml:1: source: is missing",
        "w.yaml:1: tables: is missing",
        "w.yaml:1: deliver: is missing",
    ]


def test_files_are_written_from_the_first_twin_and_read_back_as_they_were_written() -> None:
    twins = "{twin: {connection: staging}}, {twin: {connection: attic}}"
    read = parse_workflow(
        SMALL.replace("{twin: {connection: staging}}", "{files: {format: jsonl}}, " + twins), "w"
    )
    workflow = read.workflow
    assert (workflow.formats, workflow.exporting_delivery, list(workflow.twins)) == (("jsonl",), 1, [1, 2])
    assert workflow.connections == ("production", "staging", "attic")
    assert workflow.model_dump(mode="json")["deliver"][0] == {"files": {"format": "jsonl"}}
    assert Workflow.model_validate_json(workflow.model_dump_json()) == workflow


def test_files_without_a_twin_are_all_written_from_the_one_database_that_is_built_for_them() -> None:
    tables = "tables: {include: [public.*], exclude: [public.audit*]}"
    files = f"{{files: {{format: csv, {tables}}}}}, {{files: {{format: archive, build_in: scratch}}}}"
    workflow = parse_workflow(SMALL.replace("{twin: {connection: staging}}", files), "w").workflow
    assert (workflow.twins, workflow.built, workflow.exporting_delivery) == ({}, {1: "scratch"}, 1)
    assert workflow.connections == ("production", "scratch")
    csv, archive = workflow.files.values()
    assert [csv.takes("public", name) for name in ("invoice", "audit_log")] == [True, False]
    assert archive.takes("public", "audit_log")
    assert Workflow.model_validate_json(workflow.model_dump_json()) == workflow


def test_a_twin_may_not_replace_its_source_nor_another_twin() -> None:
    assert (
        "deliver[0].twin.connection: delivers to its own source, `production`"
        in problems(SMALL.replace("staging", "production"))[0]
    )
    twice = SMALL.replace("staging}}", "staging}}, {twin: {connection: staging}}")
    assert "deliver[1].twin.connection: delivers to `staging` twice" in problems(twice)[0]


@pytest.mark.parametrize("bad", ["-a", "a-", "A", "a_b", "a.b", "../a", "", "a" * 64, "ä", "a\n"])
def test_an_id_is_safe_as_a_file_name(bad: str) -> None:
    with pytest.raises(ValidationError):
        workflow(id=bad)


@pytest.mark.parametrize("good", ["a", "7", "a-b", "0-0", "a" * 63])
def test_an_id_may_be_long_and_have_dashes(good: str) -> None:
    assert workflow(id=good).id == good


@pytest.mark.parametrize("bad", ["a b", "a.b", "a]", "[a", "-a", "", "a\n", "a" * 64])
def test_a_connections_name_needs_no_escaping(bad: str) -> None:
    with pytest.raises(ValidationError):
        workflow(source=bad)


@pytest.mark.parametrize(
    ("rows", "valid"),
    [
        ({"last_days": 1, "by": "created_at"}, True),
        ({"where": "a = 1"}, True),
        ({"last_days": 0, "by": "x"}, False),
        ({"last_days": 1.5, "by": "x"}, False),
        ({"last_days": "9", "by": "x"}, False),
        ({"last_days": True, "by": "x"}, False),
        ({"last_days": 9}, False),
        ({"by": "x"}, False),
        ({"where": ""}, False),
        ({"where": "x" * 4_001}, False),
        ({}, False),
        ("a = 1", False),
    ],
)
def test_rows_are_filtered_by_age_or_by_sql_and_never_by_both(rows: object, valid: bool) -> None:
    if valid:
        workflow(rows={"public.event": rows})
    else:
        with pytest.raises(ValidationError):
            workflow(rows={"public.event": rows})


@pytest.mark.parametrize(
    "limits",
    [
        {"parallel": 0},
        {"parallel": 65},
        {"memory_mb": 127},
        {"cpus": 0},
        {"cpus": True},
        {"run_timeout_min": 0},
        {"lock_timeout_s": 0},
        {"statement_timeout_min": 10_081},
        {"retries": -1},
        {"parallel": 4.0},
    ],
)
def test_limits_have_sane_ranges(limits: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        workflow(limits=limits)


def test_a_path_that_poses_as_a_time_zone_is_refused() -> None:
    for bad in ("../../etc/passwd", "/etc/localtime", "", "Europe", "UTC\n"):
        with pytest.raises(ValidationError):
            workflow(timezone=bad)


def test_json_and_yaml_say_the_same() -> None:
    from_yaml = parse_workflow(WHOLE_WORKFLOW, "w.yaml").workflow
    sent = json.dumps(yaml.safe_load(WHOLE_WORKFLOW))
    assert parse_workflow(sent, "wire", as_json=True).workflow == from_yaml
    (found,) = problems('{"id": 3, ' + sent[1:].partition(",")[2], as_json=True)
    assert found == "w.yaml: id: `3` is not text; expected text, for example staging-twin"


def test_a_file_is_loaded_with_its_lines(tmp_path: Any) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(WHOLE_WORKFLOW)
    loaded = load_workflow(path)
    assert loaded.document.line_of(("masks", "*.*.ssn")) == 14


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
COLUMN_PATTERNS = st.one_of(
    st.builds(literal_pattern, WORDS, WORDS, WORDS), st.sampled_from(["*.*.*", "*.*.ssn", "public.a*.x*y"])
)
TABLE_PATTERNS = st.one_of(st.builds(literal_pattern, WORDS, WORDS), st.sampled_from(["*.*", "public.*"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
PARAMETERS = st.dictionaries(WORDS.filter(lambda name: name not in ("mask", "params")), JSON, max_size=3)
MASKS = st.fixed_dictionaries(
    {"mask": st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), "params": PARAMETERS}
)
ROWS = st.one_of(
    st.fixed_dictionaries({"last_days": st.integers(1, 36_500), "by": WORDS}),
    st.fixed_dictionaries({"where": WORDS}),
)
WORKFLOWS = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
        "source": st.just("production"),
        "tables": st.fixed_dictionaries(
            {"include": st.lists(TABLE_PATTERNS, min_size=1, max_size=3)},
            optional={"exclude": st.lists(TABLE_PATTERNS, max_size=2)},
        ),
        "deliver": st.lists(
            NAMES.filter(lambda name: name != "production"), min_size=1, max_size=3, unique=True
        ).map(lambda names: [{"twin": {"connection": name}} for name in names]),
    },
    optional={
        "title": WORDS.filter(str.isprintable),
        "schedule": st.sampled_from([None, "0 2 * * *", "*/5 1-3 * jan mon"]),
        "timezone": st.sampled_from(["UTC", "Europe/Vienna"]),
        "rows": st.dictionaries(TABLE_PATTERNS, ROWS, max_size=3),
        "masks": st.dictionaries(COLUMN_PATTERNS, MASKS, max_size=4),
        "keep": st.lists(COLUMN_PATTERNS, max_size=3),
        "unlisted": st.sampled_from(["halt", "null", "keep"]),
        "limits": st.fixed_dictionaries(
            {}, optional={"parallel": st.integers(1, 64), "cpus": st.floats(0.1, 64)}
        ),
    },
).map(Workflow.model_validate)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(WORKFLOWS)
@example(workflow(rows={"a.b": {"where": "a\x85b\u2028c\n \r\n d "}}, keep=['a."\x85".c']))
@example(
    workflow(title="1e5", masks={"a.b.c": {"mask": "constant", "value": "007", "more": ["null", "<<", "*"]}})
)
def test_any_workflow_survives_yaml_and_json(original: Workflow) -> None:
    text = document_yaml(original.model_dump(mode="json", exclude_unset=True))
    assert parse_workflow(text, "w.yaml").workflow == original
    assert parse_workflow(text.encode(), "w.yaml").workflow == original
    assert parse_workflow(original.model_dump_json(), "wire", as_json=True).workflow == original
    assert Workflow.model_validate(original.model_dump()) == original


KEYS = st.sampled_from(
    [*Workflow.model_fields, "mask", "include", "twin", "connection", "a.b", "a.b.c", "last_days"]
)
STRUCTURES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | KEYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS, STRUCTURES, max_size=8))
def test_any_structure_is_a_workflow_or_wrong_with_a_reason(data: dict[str, Any]) -> None:
    for text, as_json in ((yaml.safe_dump(data, allow_unicode=True), False), (json.dumps(data), True)):
        try:
            parse_workflow(text, "w", as_json=as_json)
        except WrongDocumentError as error:
            assert all(problem.what for problem in error.problems)
