"""Rules of other tools become a workflow; what has no equal is said, and left to decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from appliance.cli.workflows.workflow import app
from appliance.errors import WrongRequestError
from appliance.importers.anon import read_anon_file, read_anon_labels
from appliance.importers.anon_functions import equal_of_call
from appliance.importers.greenmask import json_path, read_greenmask
from appliance.importers.neosync import read_neosync
from appliance.importers.parameters import days_of
from appliance.importers.pgstream import read_pgstream
from appliance.importers.replibyte import read_replibyte
from appliance.importers.rules import Imported
from appliance.importers.workflow_text import workflow_text
from appliance.masking.registry import parameter_models
from appliance.workflow.loading import parse_workflow
from appliance.workflow.mask_check import check_masks

GREENMASK = """
common: {pg_bin_path: /usr/lib/postgresql/17/bin, tmp_dir: /tmp}
storage: {s3: {bucket: dumps, secret_access_key: canary-secret}}
dump:
  pg_dump_options:
    dbname: "host=db user=postgres password=canary-secret dbname=shop"
    exclude-table: ["audit.*", session]
  transformation:
    - schema: crm
      name: customer
      subset_conds: ["id < 100"]
      transformers:
        - {name: RandomEmail, params: {column: email}}
        - {name: NoiseDate, params: {column: born, ratio: 1 year 2 mons}}
        - {name: NoiseInt, params: {column: points, max_ratio: 0.25}}
        - {name: RandomInt, params: {column: visits, min: 0, max: 40}}
        - {name: RandomChoice, params: {column: plan, values: [basic, pro]}}
        - {name: Masking, params: {column: mobile, type: mobile}}
        - {name: Replace, params: {column: note, value: none}}
        - {name: SetNull, params: {column: fax}, when: "raw_record.x"}
        - {name: Cmd, params: {column: photo, executable: /bin/blur}}
        - {name: RandomDate, params: {column: seen, min: "{{ now }}", max: "2026-01-01"}}
        - name: Json
          params:
            column: settings
            operations:
              - {operation: set, path: contacts.#.mail, value: gone}
              - {operation: delete, path: card}
    - name: person
      transformers:
        - name: RandomPerson
          params:
            columns:
              - {name: first, template: "{{ .FirstName }}"}
              - {name: whole, template: "{{ .FirstName }} {{ .LastName }}"}
              - {name: both, template: "{{ .FirstName }} {{ .Title }}"}
"""
PGSTREAM = """
transformations:
  infer_from_security_labels: true
  table_transformers:
    - schema: public
      table: users
      column_transformers:
        id:
        email: {name: neosync_email, parameters: {preserve_length: true}}
        first: {name: greenmask_firstname, parameters: {gender: Female}}
        code: {name: greenmask_string, parameters: {min_length: 5, max_length: 15}}
        status: {name: greenmask_choice, parameters: {choices: [a, b]}}
        since: {name: greenmask_date, parameters: {min_value: "2020-01-01", max_value: "2025-12-31"}}
        age: {name: greenmask_integer, parameters: {min_value: 18, max_value: 90}}
        path: {name: encrypted_aes_siv, parameters: {key_hex: canary-secret}}
        bio: {name: template, parameters: {template: "{{ .GetValue }}"}}
        word: {name: literal_string, parameters: {literal: x}}
        cell:
          name: pg_anonymizer
          parameters: {anon_function: anon.partial, mask: "*", mask_prefix_count: 2, mask_suffix_count: 3}
        state: {name: pg_anonymizer, parameters: {anon_function: anon.random_in, range: "ARRAY['on', 'off']"}}
        name: {name: pg_anonymizer, parameters: {anon_function: anon.dummy_last_name_locale, locale: fr_FR}}
"""
REPLIBYTE = """
source:
  connection_uri: postgres://root:canary-secret@db/root
  skip: [{database: public, table: log}]
  database_subset: {database: public, table: orders, strategy_options: {percent: 50}}
  transformers:
    - database: public
      table: employees
      columns:
        - {name: first_name, transformer_name: first-name}
        - {name: last_name, transformer_name: random}
        - {name: phone, transformer_name: phone-number}
        - {name: card, transformer_name: redacted, transformer_options: {character: "#", width: 12}}
        - {name: id, transformer_name: transient}
        - {name: odd, transformer_name: custom-wasm}
        - {name: doc.contacts.email, transformer_name: email}
"""
NEOSYNC = [
    ("id", {"passthroughConfig": {}}),
    ("email", {"transformEmailConfig": {"preserveDomain": True}}),
    ("full_name", {"generate_full_name_config": {}}),
    ("age", {"generateInt64Config": {"min": 18, "max": "90"}}),
    ("kind", {"generateCategoricalConfig": {"categories": "a, b,c"}}),
    ("fax", {"nullconfig": {}}),
    ("odd", {"transformJavascriptConfig": {"code": "canary-secret"}}),
    ("none", {}),
]
ANON = """
COPY people (id) FROM stdin;
\\.
SECURITY LABEL FOR anon ON COLUMN people.lastname IS 'MASKED WITH FUNCTION anon.fake_last_name()';
security label for anon on column crm."Person"."Home phone" is
  'MASKED WITH FUNCTION anon.partial(phone,2,$$**$$,3)';
SECURITY LABEL FOR anon ON COLUMN people.a IS 'MASKED WITH VALUE ''it''''s gone''';
SECURITY LABEL FOR anon ON COLUMN people.b IS $x$MASKED WITH VALUE NULL$x$;
SECURITY LABEL FOR anon ON COLUMN people.c IS 'MASKED WITH FUNCTION anon.generalize_daterange(c)';
SECURITY LABEL FOR anon ON COLUMN people.d IS 'NOT MASKED';
SECURITY LABEL FOR anon ON COLUMN people.e IS 'MASKED WITH FUNCTION anon.hash(e)';
SECURITY LABEL FOR anon ON COLUMN people.e IS NULL;
SECURITY LABEL FOR anon ON ROLE reader IS 'MASKED';
"""


def neosync_job() -> dict[str, Any]:
    mappings = [
        {"schema": "public", "table": "users", "column": column, "transformer": {"config": config}}
        for column, config in NEOSYNC
    ]
    return {"job": {"name": "nightly", "mappings": mappings}}


def masks(imported: Imported) -> dict[str, Any]:
    """Each column's mask as a workflow has it, ``keep``, or None without an equal."""
    return {
        each.place.column: "keep"
        if each.keep
        else each.mask
        and ({"mask": each.mask.mask, **each.mask.params} if each.mask.params else each.mask.mask)
        for each in imported.rules
    }


def test_greenmasks_transformers_become_masks() -> None:
    assert masks(read_greenmask(yaml.safe_load(GREENMASK))) == {
        "email": "email",
        "born": {"mask": "date_shift", "max_days": 425},
        "points": {"mask": "number_noise", "percent": 25.0},
        "visits": {"mask": "random_number", "min": 0, "max": 40},
        "plan": {"mask": "choice", "values": ["basic", "pro"]},
        "mobile": "phone",
        "note": {"mask": "constant", "value": "none"},
        "fax": "null",
        "photo": None,
        "seen": None,
        "settings": {
            "mask": "json",
            "paths": {"contacts[*].mail": {"mask": "constant", "value": "gone"}, "card": "delete"},
        },
        "first": "first_name",
        "whole": "full_name",
        "both": None,
    }


def test_what_greenmask_leaves_out_is_left_out_and_conditions_are_named() -> None:
    imported = read_greenmask(yaml.safe_load(GREENMASK))
    assert imported.exclude == (("audit", "*"), ("*", "session"))
    assert [note.split(":")[0] for note in imported.notes] == ["crm.customer"]
    (fax,) = [each for each in imported.rules if each.place.column == "fax"]
    assert "every row" in fax.note


def test_pgstreams_transformers_become_masks() -> None:
    imported = read_pgstream(yaml.safe_load(PGSTREAM))
    assert masks(imported) == {
        "id": "keep",
        "email": "email",
        "first": {"mask": "first_name", "locale": "en_US", "gender": "female"},
        "code": {"mask": "random_string", "length": 15},
        "status": {"mask": "choice", "values": ["a", "b"]},
        "since": {"mask": "random_date", "earliest": "2020-01-01", "latest": "2025-12-31"},
        "age": {"mask": "random_number", "min": 18, "max": 90},
        "path": "hash",
        "bio": None,
        "word": {"mask": "constant", "value": "x"},
        "cell": {"mask": "partial", "keep_first": 2, "keep_last": 3, "cover": "*"},
        "state": {"mask": "choice", "values": ["on", "off"]},
        "name": {"mask": "last_name", "locale": "fr_FR"},
    }
    assert "security labels" in imported.notes[0]


def test_replibytes_transformers_become_masks() -> None:
    imported = read_replibyte(yaml.safe_load(REPLIBYTE))
    assert masks(imported) == {
        "first_name": "first_name",
        "last_name": "format_preserving",
        "phone": "phone",
        "card": {"mask": "partial", "keep_first": 3, "keep_last": 0, "cover": "#"},
        "id": "keep",
        "odd": None,
        "doc": {"mask": "json", "paths": {"contacts.email": {"mask": "email"}}},
    }
    assert imported.exclude == (("public", "log"),)
    assert len(imported.notes) == 1


def test_neosyncs_mappings_become_masks_as_a_job_and_as_a_list() -> None:
    job = neosync_job()
    assert masks(read_neosync(job)) == {
        "id": "keep",
        "email": "email",
        "full_name": "full_name",
        "age": {"mask": "random_number", "min": 18, "max": 90},
        "kind": {"mask": "choice", "values": ["a", "b", "c"]},
        "fax": "null",
        "odd": None,
        "none": None,
    }
    assert read_neosync(job["job"]["mappings"]) == read_neosync(job)


def test_security_labels_of_a_file_become_masks() -> None:
    imported = read_anon_file(ANON)
    assert masks(imported) == {
        "lastname": "last_name",
        "Home phone": {"mask": "partial", "keep_first": 2, "keep_last": 3, "cover": "*"},
        "a": {"mask": "constant", "value": "it's gone"},
        "b": "null",
        "c": None,
        "d": "keep",
    }
    assert imported.rules[1].place == ("crm", "Person", "Home phone")


@pytest.mark.parametrize(
    ("call", "mask"),
    [
        ("anon.fake_email()", "email"),
        ("anon.random_date_between('2020-01-01'::date, '2021-06-30')", "random_date"),
        ("anon.random_in_int4range('[1,6)')", "random_number"),
        ("anon.random_int_between(-5, 7)", "random_number"),
        ("anon.random_in(ARRAY['a','b'])", "choice"),
        ("anon.noise(salary, 0.2)", "number_noise"),
        ("anon.dnoise(born, '2 days'::INTERVAL)", "date_shift"),
        ("anon.dummy_first_name_locale('de_DE')", "first_name"),
        ("anon.pseudo_city(city, 'salt')", "city"),
        ("anon.digest(x, 's', 'sha256')", "hash"),
        ("anon.lorem_ipsum(words := 5)", "lorem"),
        ("anon.image_blur(photo, 5)", ""),
        ("pg_catalog.md5(x)", ""),
        ("my_schema.my_function(x", ""),
        ("1 + 1", ""),
    ],
)
def test_a_function_of_anon_has_its_mask_or_a_reason(call: str, mask: str) -> None:
    equal = equal_of_call(call)
    assert equal.mask == mask


READERS: dict[str, tuple[Callable[[], Imported], str]] = {
    "greenmask": (lambda: read_greenmask(yaml.safe_load(GREENMASK)), "dump"),
    "pgstream": (lambda: read_pgstream(yaml.safe_load(PGSTREAM)), "transformations"),
    "replibyte": (lambda: read_replibyte(yaml.safe_load(REPLIBYTE)), "source"),
    "neosync": (lambda: read_neosync(neosync_job()), "mappings"),
    "anon": (lambda: read_anon_file(ANON), "SECURITY LABEL"),
}


@pytest.mark.parametrize("tool", READERS)
def test_what_is_written_is_a_valid_workflow_without_a_secret_of_the_tool(tool: str) -> None:
    text = workflow_text(READERS[tool][0](), "production", "staging")
    loaded = parse_workflow(text, "imported.yaml")
    assert check_masks(loaded.document, parameter_models()) == []
    assert "canary-secret" not in text


@pytest.mark.parametrize("tool", ["greenmask", "pgstream", "replibyte", "neosync"])
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "dump",
                        "transformation",
                        "transformers",
                        "name",
                        "params",
                        "column",
                        "transformations",
                        "source",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_other_file_is_refused_in_words(tool: str, data: object) -> None:
    reader: Callable[[object], Imported] = {
        "greenmask": read_greenmask,
        "pgstream": read_pgstream,
        "replibyte": read_replibyte,
        "neosync": read_neosync,
    }[tool]
    try:
        found = reader(data)
    except WrongRequestError as error:
        assert error.what == "These rules cannot be read." and error.next_step
    else:
        assert isinstance(found, Imported)


@given(st.text(max_size=80))
def test_no_label_stops_the_import(label: str) -> None:
    (found,) = read_anon_labels([("s", "t", "c", label)]).rules
    assert found.mask or found.keep or found.why


@pytest.mark.parametrize(
    ("path", "written"),
    [("a.b", "a.b"), ("a.#.b", "a[*].b"), ("#.b", "[*].b"), ("a.0", None), ("a|b", None), ("", None)],
)
def test_paths_are_written_as_the_json_mask_takes_them(path: str, written: str | None) -> None:
    assert json_path(path) == written


@pytest.mark.parametrize(
    ("interval", "days"),
    [
        ("2 days", 2),
        ("1 year 1 mons 1 day 01:01:01.01", 396),
        ("36 hours", 2),
        ("90 years", 3650),
        ("soon", None),
    ],
)
def test_intervals_are_days(interval: str, days: int | None) -> None:
    assert days_of(interval) == days


def test_the_command_writes_the_workflow_and_lists_what_has_no_equal(tmp_path: Path) -> None:
    rules, file = tmp_path / "job.json", tmp_path / "shop.yaml"
    rules.write_text(json.dumps(neosync_job()["job"]["mappings"]))
    arguments = ["import", "neosync", str(rules), "--write", str(file), "--source", "shop"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "8 rules: 5 have an equal mask, 1 keep, 2 have no equal." in done.output
    assert "source: shop" in file.read_text()
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, WrongRequestError) and "is there already" in str(again.exception)


def test_the_command_says_what_became_of_each_rule_to_programs(tmp_path: Path) -> None:
    rules = tmp_path / "labels.sql"
    rules.write_text(ANON)
    done = CliRunner().invoke(app, ["import", "anon", str(rules), "--json"])
    found = json.loads(done.stdout)
    assert found["rules"][0]["column"] == "public.people.lastname"
    assert {each["keep"] for each in found["rules"]} == {True, False}


def test_a_tool_without_a_file_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", "greenmask", str(tmp_path / "no.yml")])
    assert isinstance(done.exception, WrongRequestError)
