"""What speaks against a mask on a column, said before any row is read."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.errors import WrongRequestError
from appliance.masking.compiler import (
    check_column,
    check_unlisted,
    column_warnings,
    compile_column,
    compile_unlisted,
)
from appliance.workflow.catalog import Column, SpecialKey
from tests.unit.masking_columns import column, mask, table


def problems(about: Column, name: str, **params: Any) -> str:
    """Everything said, in one text."""
    key = column("id", "integer", not_null=True, unique_alone=True)
    return "\n".join(check_column(table(key, about, primary_key=("id",)), about, mask(name, **params)))


def test_a_mask_that_fits_has_nothing_against_it() -> None:
    assert problems(column("email"), "email") == ""
    assert problems(column("born", "date"), "date_shift") == ""
    assert problems(column("phones", "text[]"), "phone", keep_prefix=3) == ""


@pytest.mark.parametrize(
    ("typed", "meant"), [("emial", "email"), ("fullname", "full_name"), ("Hash", "hash")]
)
def test_an_unknown_mask_gets_the_one_that_was_meant(typed: str, meant: str) -> None:
    # Not through the document, which knows how names are written.
    spec = mask("null").model_copy(update={"mask": typed})
    found = check_column(table(column("c")), column("c"), spec)
    assert found == [f"there is no mask '{typed}'; did you mean '{meant}'?"]


def test_a_mask_like_no_other_gets_the_whole_list() -> None:
    assert "there are: null, constant, hash, email" in problems(column("c"), "qqqqqq")


def test_wrong_parameters_are_all_named_with_what_was_expected() -> None:
    found = problems(column("c"), "phone", keep_prefx=3, domain="Not A Domain")
    assert "has no parameter 'keep_prefx'; did you mean 'keep_prefix'?" in found
    assert "the mask 'phone', domain:" in found
    assert "needs the parameter 'value', for example 'redacted'" in problems(column("c"), "constant")
    assert "expected one of them" in problems(column("n", "integer"), "number_noise", percent=5, amount=5)
    assert "keep_prefix: " in problems(column("c"), "phone", keep_prefix="3")


@pytest.mark.parametrize(
    ("column_type", "name", "fitting"),
    [
        ("integer", "email", "null, constant, hash, number_noise"),
        ("date", "hash", "null, constant, date_shift"),
        ("tsvector", "text_scrub", "null, constant"),
        ("jsonb", "full_name", "null, constant, json"),
        ("boolean", "number_noise", "null, constant"),
        ("character varying(20)[]", "date_shift", "null, constant, hash, email, first_name"),
    ],
)
def test_a_mask_of_the_wrong_type_gets_those_that_fit(column_type: str, name: str, fitting: str) -> None:
    found = problems(column("c", column_type), name)
    assert f"the mask '{name}' does not fit the type {column_type}; these do: {fitting}" in found


def test_an_enum_takes_null_or_one_of_its_labels() -> None:
    mood = column(
        "mood", "public.mood", type_kind="enum", base_kind="enum", enum_labels=("calm", "cross", "it's")
    )
    assert problems(mood, "constant", value="it's") == ""
    assert problems(mood, "null") == ""
    assert "did you mean calm?" in problems(mood, "constant", value="clam")
    assert "does not fit the type public.mood; these do: null, constant" in problems(mood, "hash")


def test_null_does_not_go_where_it_may_not_stand() -> None:
    assert "NOT NULL" in problems(column("c", not_null=True), "null")


def test_null_does_not_go_into_a_key_that_takes_nulls_for_equal() -> None:
    about, other = column("number"), column("release", "integer")
    key = ("release", "number")
    label = table(other, about, unique_keys=(key,), nulls_alike=(key,))
    assert "NULLS NOT DISTINCT" in check_column(label, about, mask("null"))[0]
    assert "needs a mask of its own" in check_unlisted(label, about)[0]
    assert check_column(label, about, mask("hash")) == []
    plain = label.model_copy(update={"nulls_alike": ()})
    assert check_column(plain, about, mask("null")) == check_unlisted(plain, about) == []


def test_null_is_warned_of_where_a_condition_asks_for_it() -> None:
    nothing = mask("null")
    assert (
        "amount_or_kind may not take NULL"
        in column_warnings(
            column("a", check_constraints=("amount_or_kind",), null_checks=("amount_or_kind",)), nothing
        )[0]
    )
    assert column_warnings(column("a", check_constraints=("positive",)), nothing) == []
    assert len(column_warnings(column("a", unique_partial=True, null_repeats=True), nothing)) == 1
    assert column_warnings(column("a", unique_partial=True), nothing) == []


@pytest.mark.parametrize("name", ["first_name", "phone", "partial", "text_scrub", "constant"])
def test_a_mask_that_repeats_values_does_not_go_on_a_unique_column(name: str) -> None:
    params = {"value": "x"} if name == "constant" else {}
    found = problems(column("c", unique_alone=True), name, **params)
    assert "the column is unique; these masks keep it so: null, hash, email, random_string" in found


def test_what_is_named_for_a_key_is_what_the_column_takes() -> None:
    short = column("c", "character varying(6)", unique_alone=True)
    assert "keep it so: null" in problems(short, "lorem").splitlines()[-1][-17:]
    (said,) = check_column(
        table(column("id", "integer", not_null=True, unique_alone=True), primary_key=("id",)),
        column("id", "integer", not_null=True, unique_alone=True),
        mask("null"),
    )
    assert said.endswith("one that keeps different values different does")
    fixed = column("c", not_null=True, unique_alone=True)
    assert "keep it so: hash, email" in problems(fixed, "lorem")
    nick = column("nick")
    keys = (
        SpecialKey(name="folded", expressions=("lower(nick)",), reads=("nick",)),
        SpecialKey(name="digest", expressions=("md5(nick)",), reads=("nick",)),
    )
    folded, digest = check_column(table(nick, special_keys=keys), nick, mask("city"))
    assert "use null, hash, email" in folded
    assert digest.endswith('use null or keep, or do without it: leave_out: ["index public.digest"]')


def test_masks_that_keep_values_apart_go_on_a_unique_column() -> None:
    for name in ("hash", "email", "random_string"):
        assert problems(column("c", unique_alone=True), name) == ""
    for column_type in ("bigint", "uuid", "bytea"):
        assert problems(column("c", column_type, unique_alone=True), "hash") == ""
    assert "is unique" in problems(column("c", "inet", unique_alone=True), "hash")
    assert "is unique" in problems(column("c", unique_alone=True), "hash", length=12)
    assert "is unique" in problems(column("c", unique_alone=True), "email", ignore_case=True)
    assert "is unique" in problems(column("c", "character varying(12)", unique_alone=True), "hash")


def test_a_key_of_several_columns_must_stay_unique_too() -> None:
    shop, code, day = column("shop", "integer"), column("code"), column("day", "date")
    wide = table(
        shop, code, day, unique_keys=(("shop", "code"), ("code", "day")), primary_key=("code", "day")
    )
    found = check_column(wide, code, mask("first_name"))
    assert found == [
        "the mask 'first_name' may give two rows the same value, and the column is part of the unique key"
        " (shop, code); use null, hash, email, random_string, uuid, username,"
        " url, domain or keep"
    ]
    assert check_column(wide, code, mask("hash")) == []
    # Dates of one subject stay apart: with the subject in the key, the key stays unique.
    assert check_column(wide, day, mask("date_shift")) == []
    assert check_column(wide, day, mask("date_shift", subject="shop")) != []
    # Another column that is unique by itself keeps any key apart.
    alone = column("shop", "integer", unique_alone=True)
    safe = table(alone, code, unique_keys=(("shop",), ("shop", "code")))
    assert check_column(safe, code, mask("first_name")) == []
    # So do several that are a key together.
    several = table(shop, day, code, primary_key=("shop", "day"), unique_keys=(("day", "shop", "code"),))
    assert check_column(several, code, mask("first_name")) == []
    index = SpecialKey(
        name="i", columns=("shop", "day"), expressions=("md5(code)",), reads=("shop", "day", "code")
    )
    assert check_column(several.model_copy(update={"special_keys": (index,)}), code, mask("city")) == []
    half = index.model_copy(update={"columns": ("shop",)})
    assert check_column(several.model_copy(update={"special_keys": (half,)}), code, mask("city")) != []


@pytest.mark.parametrize(
    ("name", "length", "needed"),
    [
        ("email", 20, "needs 28"),
        ("hash", 7, "at least 8"),
        ("random_string", 3, "at least 4"),
        ("city", 3, "too few"),
    ],
)
def test_a_column_too_short_is_said_to_be(name: str, length: int, needed: str) -> None:
    found = problems(column("c", f"character varying({length})"), name)
    assert f"the column has {length} characters" in found and needed in found


@pytest.mark.parametrize(
    ("column_type", "value", "said"),
    [
        ("integer", "twelve", "is not a whole number"),
        ("smallint", 40000, "is out of range for smallint"),
        ("character varying(3)", "four", "has 4 characters, and 3 fit"),
        ("date", "31.1.1970", "is not a date"),
        ("uuid", "x", "is not a UUID"),
        ("boolean", "yes", "is not true or false"),
        ("jsonb", "{", "is not JSON"),
        ("text[]", "a", "is not a list"),
        ("integer[]", [1, "x"], "is not a whole number"),
        ("bytea", "abc", "is not hexadecimal bytes"),
        ("text", None, "is nothing; the mask 'null' gives NULL"),
        ("text", {"a": 1}, "is not text"),
        ("timestamp without time zone", "1970-01-31T10:00:00Z", "has a time zone"),
        ("double precision", "NaN", "is not a number"),
    ],
)
def test_a_constant_must_be_a_value_of_the_type(column_type: str, value: Any, said: str) -> None:
    assert said in problems(column("c", column_type), "constant", value=value)


def test_a_numeric_constant_must_fit_its_precision() -> None:
    price = column("c", "numeric(5,2)", numeric_precision=5, numeric_scale=2)
    assert problems(price, "constant", value=999.99) == ""
    assert "too large" in problems(price, "constant", value=1000)
    assert "more digits after the point" in problems(price, "constant", value=1.005)


def test_a_date_needs_a_subject() -> None:
    born = column("born", "date")
    assert "no primary key to take as the subject" in "".join(
        check_column(table(born), born, mask("date_shift"))
    )
    key = table(born, primary_key=("born",))
    assert "no primary key to take" in "".join(check_column(key, born, mask("date_shift")))
    assert "the table has no column `who`" in problems(born, "date_shift", subject="who")
    assert "cannot be its own subject" in problems(born, "date_shift", subject="born")


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ({"a.b": "emial"}, "`a.b`: there is no mask 'emial'; did you mean 'email'?"),
        ({"a": "email", "a.b": "hash"}, "`a.b`: it leads through another path"),
        ({"a.b": "email", "a": "hash"}, "`a`: another path is the same or leads through it"),
        ({"a[0]": "email"}, "only all of them: [*]"),
        ({"a..b": "email"}, "a path is written like"),
        ({"a": "date_shift"}, "the mask 'date_shift' does not fit a JSON value; these do: null, constant"),
        ({"a.b.c.d.e.f.g": "email"}, "deeper than 6"),
        ({"a": {"mask": "phone", "keep": 1}}, "has no parameter 'keep'"),
    ],
)
def test_a_document_needs_paths_and_masks_that_make_sense(paths: dict[str, Any], said: str) -> None:
    assert said in problems(column("c", "jsonb"), "json", paths=paths)


def test_every_problem_is_found_at_once_and_named_by_the_compiler() -> None:
    born = column("born", "date", unique_alone=True)
    with pytest.raises(WrongRequestError) as raised:
        compile_column(table(born), born, mask("date_shift", subject="who"))
    assert raised.value.what.count("public.t.born: ") == 2


def test_constraints_that_a_mask_may_run_into_are_warned_of() -> None:
    checked = column("c", check_constraints=("c_is_fine",), domain_has_check=True, unique_partial=True)
    warnings = "\n".join(column_warnings(checked, mask("first_name")))
    assert "c_is_fine" in warnings and "domain" in warnings and "partial or expression index" in warnings
    assert column_warnings(checked, mask("null")) == []
    assert len(column_warnings(checked, mask("hash"))) == 2


def test_what_nobody_decided_on_becomes_null_or_neutral_or_a_question() -> None:
    plain, full = column("c"), column("c", not_null=True)
    assert compile_unlisted(table(plain), plain).sql == "(NULL)::text"
    assert compile_unlisted(table(full), full).sql == "(''::text)::text"
    unique = column("c", not_null=True, unique_alone=True)
    assert "needs a mask of its own, or keep" in check_unlisted(table(unique), unique)[0]
    odd = column("c", "public.gadget", not_null=True)
    assert "no neutral value of the type public.gadget" in check_unlisted(table(odd), odd)[0]
