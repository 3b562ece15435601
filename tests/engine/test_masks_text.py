"""Masks of text, over any text: they never fail, fit the column, and keep what they promise."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.masking.compiler import check_column
from appliance.masking.mask import KeyedParams
from appliance.masking.registry import MASKS
from appliance.masking.word_lists import word_list
from appliance.workflow.document import MaskSpec
from tests.engine.clusters import Cluster
from tests.engine.masking_lab import OTHER_KEY, Lab, keyed_hash, keyed_hmac, make_lab, remove_lab, spec

# Everything PostgreSQL can hold as text: no NUL, no halves of surrogate pairs.
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
ANY_TEXT = st.text(CHARACTERS, max_size=60)
AWKWARD = st.sampled_from(
    ["", " ", "'", "''", '"', "\\", "\\\\x41", "\\x41", "\\N", "\t\n\r", "a\u200bb", "\u202e", "🦊" * 8]
)
PHONE_LIKE = st.text("0123456789 +()-/.#*x", max_size=44)
TEXTS = st.lists(st.none() | ANY_TEXT | AWKWARD | PHONE_LIKE, min_size=1, max_size=25)
MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT_MASKS = sorted(
    name
    for name, mask in MASKS.items()
    if "text" in mask.kinds and not mask.whole_value and not mask.whole_column
)
EMPTYING = {"blank", "xml"}
"""Masks that empty a text: each one, or each that is no document."""
FEW = {"choice", "title"}
"""Masks with so few outputs that one value meets itself often."""
KEYED = [name for name in TEXT_MASKS if issubclass(MASKS[name].params, KeyedParams)]


def usual(mask: str) -> MaskSpec:
    """A mask with no more parameters than it needs."""
    return spec(mask, **MASKS[mask].plain_params().model_dump(mode="json", exclude_unset=True))


@pytest.fixture(scope="module")
def lab(source: Cluster) -> Iterator[Lab]:
    made = make_lab(source)
    made.script("CREATE EXTENSION citext")
    yield made
    remove_lab(made)


@pytest.mark.parametrize("mask", TEXT_MASKS)
@settings(MANY, max_examples=12)
@given(values=TEXTS)
def test_any_text_is_masked_and_null_and_empty_stay(lab: Lab, mask: str, values: list[str | None]) -> None:
    twin = lab.masked("text", values, usual(mask))
    for value, masked in zip(values, twin, strict=True):
        assert (masked is None) == (value is None)
        assert mask in EMPTYING or (masked == "") == (value == "")


@pytest.mark.parametrize("mask", TEXT_MASKS)
@settings(MANY, max_examples=6)
@given(values=st.lists(ANY_TEXT | AWKWARD, min_size=1, max_size=20))
def test_what_comes_out_fits_a_column_with_a_limit(lab: Lab, mask: str, values: list[str]) -> None:
    for column_type, limit in (("varchar(30)", 30), ("char(30)", 30)):
        if check_column(lab.table_of(column_type), lab.column(column_type), usual(mask)):
            continue  # It needs more room, and says so.
        cut = [value[:limit] for value in values]
        for masked in lab.masked(column_type, cut, usual(mask)):
            assert len(masked) <= limit


@pytest.mark.parametrize("mask", ["hash", "email", "random_string"])
@MANY
@given(values=st.lists(ANY_TEXT | AWKWARD, min_size=1, max_size=25, unique=True))
def test_distinct_texts_stay_distinct_also_without_regard_to_case(
    lab: Lab, mask: str, values: list[str]
) -> None:
    for column_type in ("text", "varchar(60)"):
        twin = lab.masked(column_type, values, spec(mask))
        assert len({masked.lower() for masked in twin}) == len(values)


@MANY
@given(values=st.lists(ANY_TEXT | AWKWARD, min_size=1, max_size=20))
def test_a_hash_is_pythons_own_hmac(lab: Lab, values: list[str]) -> None:
    twin = lab.masked("text", values, spec("hash", length=64))
    assert twin == [keyed_hmac(value.encode(), b"t").hex() if value else "" for value in values]


@pytest.mark.parametrize("mask", KEYED)
def test_the_same_input_gives_the_same_output_and_another_key_or_domain_another(lab: Lab, mask: str) -> None:
    values = [f"value 0{number}" for number in range(50)]
    first = lab.masked("text", values, usual(mask))
    assert lab.masked("varchar(150)", values, usual(mask)) == first
    assert lab.masked("char(150)", values, usual(mask)) == [each.ljust(150) for each in first]
    other_key = lab.masked("text", values, usual(mask), key=OTHER_KEY)
    params = {**usual(mask).params, "domain": "elsewhere"}
    other_domain = lab.masked("text", values, spec(mask, **params))
    most = 30 if mask in FEW else 10
    for other in (other_key, other_domain):
        assert sum(one == two for one, two in zip(first, other, strict=True)) < most


@pytest.mark.parametrize("column_type", ["text", "citext", "varchar(50)"])
def test_an_email_looks_deliverable_and_is_on_a_reserved_domain(lab: Lab, column_type: str) -> None:
    twin = lab.masked(column_type, ["Ann@corp.test", "🦊", "no address"], spec("email", at="example.org"))
    for address in twin:
        assert re.fullmatch(r"[a-z]+\.[a-z]+\.[0-9a-f]{18}@example\.org", address)


def test_a_short_column_gets_a_shorter_address(lab: Lab) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}@example\.com", lab.masked("varchar(28)", ["a"], spec("email"))[0])
    assert re.fullmatch(r"[0-9a-f]{18}@example\.com", lab.masked("varchar(31)", ["a"], spec("email"))[0])


def test_citext_values_that_are_equal_are_masked_alike(lab: Lab) -> None:
    for mask in ("email", "hash", "random_string", "first_name"):
        upper, lower, other = lab.masked("citext", ["ANN@X", "ann@x", "bob@x"], spec(mask))
        assert upper == lower
        assert mask == "first_name" or other != lower
    upper, lower = lab.masked("text", ["ANN@X", "ann@x"], spec("email", ignore_case=True))
    assert upper == lower


@pytest.mark.parametrize("mask", ["first_name", "last_name", "full_name", "street", "city", "company"])
def test_a_value_out_of_a_word_list_never_stays_itself(lab: Lab, mask: str) -> None:
    compiled = lab.shapes("text", spec(mask))
    every = [word for (word,) in lab.session().execute((compiled.output_domain_sql or "").encode())]
    sample = every[:: max(1, len(every) // 500)]
    twin = lab.masked("text", sample, spec(mask))
    assert all(value != masked for value, masked in zip(sample, twin, strict=True))
    assert set(twin) <= set(every)
    assert len(set(twin)) > min(len(sample), len(every)) / 4


def test_short_columns_get_short_words(lab: Lab) -> None:
    words = {word for word in word_list("first_name").words if len(word) <= 5}
    assert set(lab.masked("varchar(5)", ["Georg", "Anna"], spec("first_name"))) <= words
    for name in lab.masked("varchar(12)", ["A B", "C D", "E F"], spec("full_name")):
        assert len(name) <= 12 and " " in name


def test_a_subject_gives_a_row_the_same_person_everywhere(lab: Lab) -> None:
    one = lab.masked("text", ["Ann", "Bob", None, ""], spec("first_name", subject="id"))
    two = lab.masked("varchar(40)", ["Other", "Names", "Here", "x"], spec("first_name", subject="id"))
    assert one[:2] == two[:2]
    assert one[2:] == [None, ""]


@MANY
@given(values=st.lists(PHONE_LIKE | ANY_TEXT, min_size=1, max_size=25), prefix=st.integers(0, 6))
def test_a_phone_keeps_its_length_its_punctuation_and_its_prefix(
    lab: Lab, values: list[str], prefix: int
) -> None:
    twin = lab.masked("text", values, spec("phone", keep_prefix=prefix))
    for value, masked in zip(values, twin, strict=True):
        kept = min(prefix, max(len(value) - 4, 0))
        assert len(masked) == len(value)
        assert masked[:kept] == value[:kept]
        for before, after in zip(value[kept:], masked[kept:], strict=True):
            if before in "0123456789":
                assert after in "0123456789"
            elif " " <= before <= "?":
                assert after == before
            else:
                assert after == "x"
        if re.search("[0-9]", value[kept:]):
            assert masked != value


def test_the_digits_of_phones_are_spread_evenly(lab: Lab) -> None:
    twin = lab.masked(
        "text", [f"+49 170 {number:07}" for number in range(2000)], spec("phone", keep_prefix=7)
    )
    for place in range(8, 15):
        counts = [sum(phone[place] == digit for phone in twin) for digit in "0123456789"]
        assert min(counts) > 120 and max(counts) < 290
    assert len(set(twin)) > 1990


@MANY
@given(values=st.lists(ANY_TEXT | AWKWARD, min_size=1, max_size=25))
def test_partial_keeps_the_ends_and_the_length(lab: Lab, values: list[str]) -> None:
    twin = lab.masked("text", values, spec("partial", keep_first=1, keep_last=3, cover="x"))
    for value, masked in zip(values, twin, strict=True):
        if len(value) < 8:
            assert masked == "x" * len(value)
        else:
            assert masked == value[0] + "x" * (len(value) - 4) + value[-3:]


def test_partial_can_cover_everything(lab: Lab) -> None:
    assert lab.masked("text", ["secret", "🦊"], spec("partial", keep_first=0, keep_last=0)) == ["******", "*"]


def test_arrays_are_masked_element_by_element(lab: Lab) -> None:
    values = [["Ann", None, "", "Bob"], [], None, [["a", "b"], ["c", "a"]], [None]]
    first, empty, null, square, nothing = lab.masked("text[]", values, spec("hash"))
    ann, none, blank, bob = first
    assert (none, blank, empty, null, nothing) == (None, "", [], None, [None])
    assert ann == keyed_hash("Ann").hex()[:32] and bob == keyed_hash("Bob").hex()[:32]
    assert [len(row) for row in square] == [2, 2] and square[0][0] == square[1][1]
    deep = lab.masked("varchar(20)[]", [[[["a"], ["b"]], [["c"], ["d"]]]], spec("last_name"))
    assert len(deep[0]) == 4


LOCAL = st.text("abf09.@", max_size=24) | st.from_regex(
    r"([a-c]{1,3}[.]){0,2}[0-9a-f]{17,19}", fullmatch=True
)


@MANY
@given(values=st.lists(st.tuples(LOCAL, st.sampled_from(["@example.com", "@example_com", ""])), min_size=1))
def test_an_address_counts_as_made_only_in_the_form_that_the_mask_gives(
    lab: Lab, values: list[tuple[str, str]]
) -> None:
    column = lab.shapes("text", spec("email"))
    texts = [local + ending for local, ending in values]
    (facet,) = column.proved()
    rows = lab.session().execute(f"SELECT v, ({facet.shape_sql}) FROM unnest(%s::text[]) AS t (v)", [texts])
    form = re.compile(r"(([a-z]+[.])*[0-9a-f]{18}@example[.]com)?")
    assert dict(rows) == {text: form.fullmatch(text) is not None for text in texts}
