"""The SQL of masks is held to functions that PostgreSQL 13 to 18 share."""

from __future__ import annotations

import re

import pytest

from appliance.masking.compiled import CompiledColumn
from appliance.masking.compiler import check_column, compile_column, keep_column
from appliance.masking.registry import MASKS
from tests.engine.test_masks_every_value import asked
from tests.unit.masking_columns import column, mask, table

TYPES = (
    "text", "character varying(40)", "character(40)", "text[]", "smallint", "integer", "bigint",
    "numeric", "numeric(12,2)", "real", "double precision", "date", "timestamp without time zone",
    "timestamp with time zone", "time without time zone", "time with time zone", "uuid", "bytea",
    "inet", "cidr", "macaddr", "macaddr8", "point", "boolean", "json", "jsonb", "tsvector",
    "int4range", "numrange", "daterange", "tstzrange", "xml", "public.hstore",
)  # fmt: skip
OF_13 = frozenset(
    re.findall(
        r"\w+",
        """
    abs array_agg array_lower array_ndims array_upper ascii btrim cardinality chr coalesce concat
    concat_ws cos count current_setting date_send date_trunc daterange decode encode extract family
    convert_from float8send floor format generate_series generate_subscripts get_byte greatest host hostmask
    int4range int4send int8send isempty isfinite jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_build_object jsonb_each jsonb_object_agg jsonb_path_query_array
    jsonb_typeof lag lead least left length lower lower_inc lpad ltrim make_date make_interval
    masklen max min mod netmask
    network nullif num_nulls numrange octet_length pi point radians repeat replace
    regexp_matches regexp_replace
    right round row_number rpad rtrim scale set_byte set_masklen sha256 sign sin split_part sqrt string_agg
    string_to_array strpos substr substring sum time_send timestamp_send timestamptz_send timetz_send
    to_char to_hex to_jsonb to_tsvector translate trim_scale trunc tstzrange unnest upper upper_inc
    uuid_send width_bucket xml_is_well_formed_content xmlparse
        """,
    )
)
"""Each of them is in the manual of PostgreSQL 13, with the arguments that masks give it."""
TYPES_WITH_LENGTH = {"bit", "character", "varying"}
OF_HSTORE = {"delete", "exist", "hstore", "slice"}
_LITERAL = re.compile(r"E?'(?:[^'\\]|''|\\.)*'")


def functions_of(compiled: CompiledColumn) -> set[str]:
    texts = [compiled.sql, *(compiled.lifted.beneath.values() if compiled.lifted else ())]
    for facet in compiled.proved():
        parts = (facet.value_sql, facet.shape_sql, facet.leak_sql, facet.output_domain_sql)
        texts += [each for each in parts if each]
    return {name for text in texts for name in re.findall(r"([a-z_0-9]+)\(", _LITERAL.sub("''", text))}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_calls_nothing_that_postgresql_13_does_not_have(name: str) -> None:
    tried = 0
    for kind in TYPES:
        facts = {"base_kind": "range", "type_kind": "range"} if kind.endswith("range") else {}
        found = column("v", kind, **facts)
        whole = table(column("id", "integer", not_null=True), found, primary_key=("id",))
        more = [{"names": ["id"]}] if name == "text_scrub" else []
        for params in (*asked(name), *more):
            chosen = mask(name, **params)
            if check_column(whole, found, chosen):
                continue
            row = {"id": keep_column(whole.columns[0])}
            called = functions_of(compile_column(whole, found, chosen, row=row))
            known = OF_13 | TYPES_WITH_LENGTH | (OF_HSTORE if "hstore" in kind else set())
            assert called <= known, (kind, params, called - known)
            tried += 1
    # What a composite type has is its own.
    assert tried or name == "composite"
