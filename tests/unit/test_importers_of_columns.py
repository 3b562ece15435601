"""Importers where a tool's rule is for several columns, or a column has several rules."""

from __future__ import annotations

from types import ModuleType

import pytest
import yaml

from appliance.importers import greenmask, neosync, pgstream, replibyte
from appliance.importers.greenmask import read_greenmask
from appliance.importers.replibyte import read_replibyte
from appliance.importers.workflow_text import workflow_text
from appliance.masking.registry import MASKS
from appliance.workflow.loading import parse_workflow
from tests.unit.test_importers import masks

AS_DOCUMENTED = """
dump:
  pg_dump_options: {exclude-schema: staging, table: "public.a*"}
  virtual_references:
    - {schema: public, name: orders, references: [{schema: public, name: users, columns: [{name: user_id}]}]}
  transformation:
    - name: users
      transformers:
        - {name: Replace, when: "record.id > 5", params: {column: kind, value: x}}
        - {name: Hash, when: "record.id < 5", params: {column: kind}}
        - {name: RandomLatitude, when: "true", params: {column: lat}}
        - name: Cmd
          params: {executable: /bin/x, columns: [{name: one, not_affected: true}, {name: two}]}
        - {name: TemplateRecord, params: {columns: [three], template: "{{ .x }}"}}
        - {name: TemplateRecord, params: {template: "{{ .x }}"}}
        - {name: RegexpReplace, params: {column: room, regexp: "(Room) [0-9]+", replace: "$1 ${1}"}}
        - {name: RegexpReplace, params: {column: named, regexp: "(?P<a>x)", replace: "$a"}}
"""


def test_greenmasks_rules_for_several_columns_or_for_one_several_times_become_a_valid_workflow() -> None:
    imported = read_greenmask(yaml.safe_load(AS_DOCUMENTED))
    assert masks(imported) == {
        "kind": None,
        "lat": {"mask": "position", "axis": "latitude"},
        "one": None,
        "two": None,
        "three": None,
        "*": None,
        "room": {"mask": "regexp", "pattern": "(Room) [0-9]+", "replace": "\\1 \\1"},
        "named": None,
    }
    hashed = [each for each in imported.rules if each.mask is not None and each.written == "Hash"]
    assert [each.place.column for each in hashed] == ["kind"]
    (lat,) = [each for each in imported.rules if each.place.column == "lat"]
    assert "1 km" in lat.note and "every row" in lat.note
    assert imported.exclude == (("staging", "*"),)
    assert [note.split(";")[0] for note in imported.notes] == [
        "Only what its option `table` names is copied",
        "public.orders: what it refers to without a foreign key",
    ]
    assert parse_workflow(workflow_text(imported, "production", "staging"), "imported.yaml").document


def test_parts_of_one_document_become_one_mask_and_a_single_element_has_none() -> None:
    written = [
        {"name": name, "transformer_name": "email"} for name in ("d.a.[].m", "d.b", "d.c.[0].m", "other")
    ]
    tables = [{"database": "public", "table": "t", "columns": written}]
    imported = read_replibyte({"source": {"transformers": tables}})
    assert [(each.place.column, each.mask and each.mask.params) for each in imported.rules] == [
        ("d", {"paths": {"a[*].m": {"mask": "email"}, "b": {"mask": "email"}}}),
        ("other", {}),
        ("d", None),
    ]


@pytest.mark.parametrize("tool", [greenmask, neosync, pgstream, replibyte])
def test_every_mask_that_an_importer_names_is_there(tool: ModuleType) -> None:
    tables = [value for name, value in vars(tool).items() if name in {"_SIMPLE", "_KNOWN", "_MASKINGS"}]
    named = [each for table in tables for each in table.values()]
    assert named
    for each in named:
        name = each if isinstance(each, str) else each.mask
        assert name in MASKS or (not isinstance(each, str) and (each.keep or each.why)), each
